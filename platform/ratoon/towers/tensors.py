"""Reads safetensors bytes with NumPy alone.

The format (https://github.com/huggingface/safetensors#format): eight bytes hold the header's length, little-endian; the header is
JSON, tensor name -> {dtype, shape, data_offsets: [first, end)}, offsets counted from the header's end; raw values follow.
"""

import json
import math

import numpy as np
import numpy.typing as npt

from ratoon.domain.errors import StoreError

LENGTH = 8


def read_tensors(name: str, data: bytes) -> dict[str, npt.NDArray[np.float32]]:
    """Every tensor in `data`, as read-only views of it.

    Args:
        name: of the file, for errors.

    Raises:
        StoreError: `data` is cut off, is not safetensors, or holds something other than float32.
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


def _view(name: str, about: object, data: bytes, start: int) -> npt.NDArray[np.float32]:
    match about:
        case {"dtype": "F32", "shape": [*sizes], "data_offsets": [int(first), int(last)]}:
            shape = [size for size in sizes if isinstance(size, int) and size >= 0]
        case _:
            raise _damaged(name, "dtype F32, a shape and two offsets", json.dumps(about))
    count = math.prod(shape)
    if len(shape) != len(sizes):
        raise _damaged(name, "a shape of whole numbers", json.dumps(sizes))
    if not 0 <= first <= last <= len(data) - start or last - first != 4 * count:
        raise _damaged(name, f"{4 * count} bytes inside the file", f"bytes {first} to {last} of {len(data) - start}")
    return np.frombuffer(data, dtype="<f4", count=count, offset=start + first).reshape(shape)


def _damaged(name: str, expected: str, found: str) -> StoreError:
    return StoreError(name, expected=expected, found=found, fix="Roll back to another release, or run a full refresh.")
