"""Which device a server's index lies on. Found out without torch, which a server on the processor never loads."""

import ctypes
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from ratoon.domain.errors import UsageError

Wanted = Literal["cpu", "cuda", "auto"]


@dataclass(frozen=True, slots=True)
class Choice:
    """A device, and why it is that one."""

    device: Literal["cpu", "cuda"]
    why: str


def cuda_devices(driver: str = "libcuda.so.1") -> int:
    """How many devices the CUDA driver shows to this process; 0 without a driver.

    Args:
        driver: the library to ask.
    """
    try:
        library = ctypes.CDLL(driver)
    except OSError:
        return 0
    count = ctypes.c_int(0)
    failed = library.cuInit(0) or library.cuDeviceGetCount(ctypes.byref(count))
    return 0 if failed else count.value


def torch_cuda() -> str:
    """The version of CUDA that the installed torch was made for; empty if it was made for none, or is not there."""
    found = find_spec("torch")
    if found is None or found.origin is None:
        return ""
    told = Path(found.origin).with_name("version.py").read_text(encoding="utf-8")
    made = re.search(r"^cuda\b.*?= *['\"]([^'\"]+)['\"]", told, re.MULTILINE)
    return made[1] if made else ""


def chosen(wanted: Wanted, devices: Callable[[], int] = cuda_devices, made_for: Callable[[], str] = torch_cuda) -> Choice:
    """The device for what index.device says.

    Raises:
        UsageError: CUDA is asked for and cannot be had.
    """
    if wanted == "cpu":
        return Choice("cpu", 'index.device is "cpu"')
    count = devices()
    version = made_for() if count else ""
    if count and version:
        return Choice("cuda", f"{count} CUDA device{'s' * (count > 1)}, and torch is made for CUDA {version}")
    lack = "the installed torch is not made for CUDA" if count else "the CUDA driver shows no device"
    if wanted == "cuda":
        fix = 'Set index.device = "auto" or "cpu", or mend that: `nvidia-smi` lists devices.'
        raise UsageError("index.device", expected="a CUDA device and a torch that can use it", found=lack, fix=fix)
    return Choice("cpu", lack)


def processor_for_mapped(wanted: Wanted) -> Choice:
    """The processor, for an index that the processes of a machine map.

    Raises:
        UsageError: CUDA is asked for by name.
    """
    if wanted == "cuda":
        fix = 'Set index.device = "cpu", or index.mapped = false.'
        raise UsageError("index.mapped", expected="an index on the processor", found='index.device = "cuda"', fix=fix)
    return Choice("cpu", "index.mapped shares it among the processes of this machine")
