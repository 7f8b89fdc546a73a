"""Reads safetensors bytes with NumPy alone.

The format (https://github.com/huggingface/safetensors#format): eight bytes hold the header's length, little-endian; the header is
JSON, tensor name -> {dtype, shape, data_offsets: [first, end)}, offsets counted from the header's end; raw values follow.
"""

import json
import math

import numpy as np
import numpy.typing as npt

from ratoon.domain.errors import StoreError
from ratoon.domain.forms import Packed

LENGTH = 8

TYPES: dict[str, npt.DTypeLike] = {"F32": "<f4", "F16": "<f2", "I8": "|i1"}


def read_tensors(name: str, data: bytes) -> dict[str, Packed]:
    """Every tensor in `data`, as read-only views of it.

    Args:
        name: of the file, for errors.

    Raises:
        StoreError: `data` is cut off, is not safetensors, or holds something other than float32, float16 and int8.
    """
    end = LENGTH + int.from_bytes(data[:LENGTH], "little")
    if len(data) < max(end, LENGTH):
        raise _damaged(name, f"a header that ends at byte {max(end, LENGTH)}", f"{len(data)} bytes")
    try:
        header: object = json.loads(data[LENGTH:end])
    except ValueError as error:
        raise _damaged(name, "a JSON header", str(error)) from error
    if not isinstance(header, dict):
        raise _damaged(name, "a JSON object", type(header).__name__)
    return {tensor: _view(f"{name}: {tensor}", about, data, end) for tensor, about in header.items() if tensor != "__metadata__"}


def _view(name: str, about: object, data: bytes, start: int) -> Packed:
    match about:
        case {"dtype": str(called), "shape": [*sizes], "data_offsets": [int(first), int(last)]} if called in TYPES:
            shape, dtype = [size for size in sizes if isinstance(size, int) and size >= 0], np.dtype(TYPES[called])
        case _:
            raise _damaged(name, f"dtype {', '.join(TYPES)}, a shape and two offsets", json.dumps(about))
    count = math.prod(shape)
    if len(shape) != len(sizes):
        raise _damaged(name, "a shape of whole numbers", json.dumps(sizes))
    if not 0 <= first <= last <= len(data) - start or last - first != dtype.itemsize * count:
        raise _damaged(name, f"{dtype.itemsize * count} bytes inside the file", f"bytes {first} to {last} of {len(data) - start}")
    view: Packed = np.frombuffer(data, dtype, count, start + first).reshape(shape)
    return view


def _damaged(name: str, expected: str, found: str) -> StoreError:
    return StoreError(name, expected=expected, found=found, fix="Roll back to another release, or run a full refresh.")
