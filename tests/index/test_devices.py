"""Which device servers search on, and that finding out loads no torch."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ratoon.domain.errors import UsageError
from ratoon.index import devices
from ratoon.index.devices import Choice, chosen, cuda_devices, torch_cuda


def test_auto_takes_a_device_that_torch_can_use() -> None:
    """With a device and a torch made for CUDA servers search there; if either is missing, on the processor: and why is said."""
    there = Choice("cuda", "2 CUDA devices, and torch is made for CUDA 13.0")
    assert chosen("auto", lambda: 2, lambda: "13.0") == chosen("cuda", lambda: 2, lambda: "13.0") == there
    assert chosen("auto", lambda: 1, lambda: "13.0").why.startswith("1 CUDA device,")
    assert chosen("auto", lambda: 0, lambda: "13.0") == Choice("cpu", "the CUDA driver shows no device")
    assert chosen("auto", lambda: 1, lambda: "") == Choice("cpu", "the installed torch is not made for CUDA")


def test_the_processor_is_taken_unseen() -> None:
    """Where the processor is asked for nobody looks for a device."""

    def looked() -> int:
        raise AssertionError("looked")

    assert chosen("cpu", looked) == Choice("cpu", 'index.device is "cpu"')


@pytest.mark.parametrize(
    ("count", "made_for", "found"), [(0, "13.0", "the CUDA driver shows no device"), (1, "", "torch is not made for CUDA")]
)
def test_a_device_that_is_not_there_is_refused(count: int, made_for: str, found: str) -> None:
    """Where CUDA is asked for and cannot be had, that is an error which names the setting and what is missing."""
    with pytest.raises(UsageError, match=f"index.device: expected a CUDA device and a torch.*found .*{found}.*Set index.device"):
        chosen("cuda", lambda: count, lambda: made_for)


def test_torch_is_read_and_not_imported() -> None:
    """The version of CUDA is the one that torch itself tells, and in a process of its own finding out imports no torch."""
    assert torch_cuda() == (torch.version.cuda or "")
    code = "import sys; from ratoon.index import chosen; print(chosen('auto').device, 'torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["cuda" if torch.cuda.is_available() else "cpu", "False"]


def test_without_torch_there_is_no_cuda(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where no torch is installed, none is made for CUDA; of one that is, the version is read whatever it is annotated with."""
    monkeypatch.setattr(devices, "find_spec", lambda _name: None)
    assert torch_cuda() == ""
    for line, version in (
        ("cuda: Optional[str] = '12.8'", "12.8"),
        ('cuda = "13.0"', "13.0"),
        ("cuda: Optional[str] = None", ""),
    ):
        (tmp_path / "version.py").write_text(f"__version__ = '2'\n{line}\nhip: Optional[str] = '6.0'\n")
        spec = type("Spec", (), {"origin": str(tmp_path / "__init__.py")})
        monkeypatch.setattr(devices, "find_spec", lambda _name, spec=spec: spec)
        assert torch_cuda() == version


def test_a_driver_that_fails_shows_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """No driver, one that does not start and one that counts nothing are no device; one that counts three has three."""
    assert cuda_devices("libnothing-of-the-kind.so") == 0

    class Driver:
        def __init__(self, started: int, count: int) -> None:
            self._started, self._count = started, count

        def cuInit(self, _flags: int) -> int:  # noqa: N802  # the driver's name
            return self._started

        def cuDeviceGetCount(self, pointer: object) -> int:  # noqa: N802  # the driver's name
            pointer._obj.value = self._count  # type: ignore[attr-defined]  # what byref keeps
            return 0

    for started, count, wanted in ((100, 3, 0), (0, 0, 0), (0, 3, 3)):
        monkeypatch.setattr(ctypes, "CDLL", lambda _name, driver=(started, count): Driver(*driver))
        assert cuda_devices() == wanted
