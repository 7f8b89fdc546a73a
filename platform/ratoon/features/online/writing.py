"""One row of a view, from Python values to the packed bytes: what `pack` makes of columns."""

import struct
from collections.abc import Callable, Sequence

import numpy as np

from ratoon.features.folds.carried import Row
from ratoon.features.online.layout import Layout

_ENTRIES = {
    "INT32_LIST": "<i4",
    "INT64_LIST": "<i8",
    "FLOAT_LIST": "<f4",
    "DOUBLE_LIST": "<f8",
    "BOOL_LIST": "u1",
    "UNIX_TIMESTAMP_LIST": "<i8",
}

Encoder = Callable[[object], bytes]


class RowWriter:
    """Writes one view's rows of one layout."""

    def __init__(self, layout: Layout) -> None:
        self._record = layout.packing
        self._encoders = [_encoder(dtype) if at in layout.variable else None for at, (_, dtype) in enumerate(layout.fields)]
        self._fingerprint, self._bytes = layout.fingerprint, (len(layout.fields) + 7) // 8

    def bytes_of(self, row: Row) -> bytes:
        """The row as the store keeps it."""
        valid, end, parts, numbers = 0, 0, [], []
        for at, (value, encoder) in enumerate(zip(row.values, self._encoders, strict=True)):
            valid |= (value is not None) << at
            if encoder is None:
                numbers.append(0 if value is None else value)
            else:
                part = b"" if value is None else encoder(value)
                end += len(part)
                parts.append(part)
                numbers.append(end)
        known = valid.to_bytes(self._bytes, "little")
        return self._record.pack(self._fingerprint, row.event_ts, row.created, known, *numbers) + b"".join(parts)


def _encoder(dtype: str) -> Encoder:
    match dtype:
        case "STRING":
            return lambda value: str(value).encode()
        case "STRING_LIST":
            return lambda value: _chunked([text.encode() for text in value])  # type: ignore[attr-defined]  # a list of texts
        case "BYTES_LIST":
            return _chunked  # type: ignore[return-value]  # of a list of bytes
        case _ if dtype in _ENTRIES:
            of = np.dtype(_ENTRIES[dtype])
            return lambda value: np.array(value, of).tobytes()
        case _:
            return lambda value: bytes(value)  # type: ignore[call-overload]  # bytes


def _chunked(texts: Sequence[bytes]) -> bytes:
    return struct.pack(f"<{len(texts) + 1}I", len(texts), *map(len, texts)) + b"".join(texts)
