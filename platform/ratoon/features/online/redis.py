"""Packed rows in Redis or Valkey: one hash per entity, one field per view.

    key                        value
    ratoon:{project}:e:{key}   hash of an entity: view -> packed row; {key} is the entity's serialised key
    ratoon:{project}:n:{kind}  hash of notes: name -> text
    ratoon:{project}:newest    sorted set: view -> its newest event time, in microseconds

Rows are written by a script on the server, hundreds of entities per call: it compares the times in the rows' own heads, so
that no reader and no second writer comes between look and write. One DEL forgets an entity. Not for Redis Cluster, whose
scripts see the keys of one slot only.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import quote, urlencode

import redis as client

from ratoon import durable
from ratoon.domain.errors import StoreError
from ratoon.features.online.layout import Layout
from ratoon.features.online.store import APPLIED, ARRIVED, LAYOUTS, Batch, Notes

ROWS_AT_ONCE = 500
"""Rows per call of the script: short enough not to make others wait."""

SCAN_COUNT = 5_000

# Bytes 9 to 24 of a row are its two times. Halves of 32 bits are exact in Lua's doubles; whole times need not be.
_GUARDED = """
for at = 1, #KEYS do
  local new = ARGV[at + 1]
  local old = redis.call('HGET', KEYS[at], ARGV[1])
  local keep = false
  if old then
    local ol, oh, cl, ch = struct.unpack('<I4i4I4i4', old, 9)
    local nl, nh, dl, dh = struct.unpack('<I4i4I4i4', new, 9)
    if oh ~= nh then keep = oh > nh
    elseif ol ~= nl then keep = ol > nl
    elseif ch ~= dh then keep = ch > dh
    else keep = cl > dl end
  end
  if not keep then redis.call('HSET', KEYS[at], ARGV[1], new) end
end
"""


class RedisRows:
    """A `RowStore` on a Redis-protocol server. Safe to share by threads."""

    def __init__(self, address: str, project: str) -> None:
        """Args: address: redis://[user:password@]host:port/db, unix://path, or Feast's `host:port[,option=value]`."""
        self._address, self._project = address, project
        self._prefix = f"ratoon:{project}:".encode()
        self._entity = self._prefix + b"e:"
        self._layouts: dict[bytes, Layout] = {}
        with self._named():
            self._client = client.Redis.from_url(_url(address), socket_connect_timeout=5, protocol=2)
            self._guarded = self._client.register_script(_GUARDED)

    def layout(self, fingerprint: bytes) -> Layout | None:
        """A stored layout; looked for again when it is not known yet."""
        if fingerprint not in self._layouts:
            self._layouts = {bytes.fromhex(name): Layout.parse(text) for name, text in self.notes(LAYOUTS).items()}
        return self._layouts.get(fingerprint)

    def prepare(self, views: Sequence[str]) -> None:
        """Nothing to make: a hash begins with its first field."""

    def write(self, batches: Sequence[Batch], notes: Notes | None = None) -> None:
        """Layouts, rows, notes, in this order; each row at once, and each call of the script at once."""
        with self._named():
            for batch in batches:
                self._put({LAYOUTS: {batch.layout.fingerprint.hex(): batch.layout.text}})
                keys, rows = batch.packed.keys, batch.packed.rows
                for start in range(0, len(keys), ROWS_AT_ONCE):
                    part = slice(start, start + ROWS_AT_ONCE)
                    self._guarded(keys=[self._entity + key for key in keys[part]], args=[batch.view, *rows[part]])
                    durable.fault_point("online.written")
                if len(keys):
                    self._client.zadd(self._prefix + b"newest", {batch.view: int(batch.packed.event_ts.max())}, gt=True)
            self._put(notes or {})

    def _put(self, notes: Notes) -> None:
        for kind, entries in notes.items():
            gone = [name for name, text in entries.items() if text is None]
            kept = [part for name, text in entries.items() if text is not None for part in (name, text)]
            if gone:
                self._client.hdel(self._kind(kind), *gone)
            if kept:
                self._client.hset(self._kind(kind), items=kept)

    def written(self) -> None:
        """Not told: to ask the server would take a round trip, and so does a row."""

    def rows(self, views: Sequence[str], keys: Sequence[bytes]) -> list[list[bytes | None]]:
        """One pipeline of HMGETs."""
        with self._named():
            if len(keys) == 1:
                found = [self._client.hmget(self._entity + keys[0], list(views))]
            else:
                pipeline, names = self._client.pipeline(transaction=False), list(views)
                for key in keys:
                    pipeline.hmget(self._entity + key, names)
                found = pipeline.execute()
        return [list(rows) for rows in zip(*found, strict=True)] if found else [[] for _ in views]

    def notes(self, kind: str) -> dict[str, str]:
        """The notes of a kind."""
        with self._named():
            found: dict[bytes, bytes] = self._client.hgetall(self._kind(kind))  # type: ignore[assignment]  # not decoded
            return {name.decode(): text.decode() for name, text in found.items()}

    def newest(self) -> dict[str, int]:
        """One sorted set, which keeps the greater time by itself; a score is a double, exact to the microsecond until 2255."""
        with self._named():
            found: list[tuple[bytes, float]]
            found = self._client.zrange(self._prefix + b"newest", 0, -1, withscores=True)  # type: ignore[assignment]  # not decoded
            return {view.decode(): int(time) for view, time in found}

    def forget(self, keys: Sequence[bytes]) -> None:
        """One DEL per entity."""
        with self._named():
            for key in keys:
                self._client.delete(self._entity + key)

    def drop(self, views: Sequence[str]) -> None:
        """Take the fields out of every entity's hash; the notes go first, so that a drop cut short forgets no file."""
        if not views:
            return
        with self._named():
            self._drop_notes(views)
            pipeline = self._client.pipeline(transaction=False)
            for key in self._client.scan_iter(match=_literal(self._entity) + b"*", count=SCAN_COUNT):
                pipeline.hdel(key, *views)
                if len(pipeline) >= SCAN_COUNT:
                    pipeline.execute()
            pipeline.zrem(self._prefix + b"newest", *views)
            pipeline.execute()

    def _drop_notes(self, views: Sequence[str]) -> None:
        pipeline = self._client.pipeline(transaction=True)
        offsets: list[bytes] = self._client.hkeys(self._kind(APPLIED))  # type: ignore[assignment]  # not asynchronous
        for view in views:
            kinds = _literal(self._kind(f"{ARRIVED}:{view}:")) + b"?" * 16  # a digest
            for kind in self._client.scan_iter(match=kinds, count=SCAN_COUNT):
                pipeline.delete(kind)
            for edition in offsets:
                if edition.rpartition(b":")[0] == view.encode():
                    pipeline.hdel(self._kind(APPLIED), edition)
        pipeline.execute()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _kind(self, kind: str) -> bytes:
        return self._prefix + f"n:{kind}".encode()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except client.RedisError as error:
            raise StoreError(
                f"online store at {self._address.rpartition('@')[2].partition(',')[0]}",
                expected="a Redis or Valkey server that answers",
                found=str(error) or type(error).__name__,
                fix="See that it runs and is reachable; rows written before stand, so run it again.",
            ) from error


def _literal(text: bytes) -> bytes:
    """A key's beginning as a pattern that only it matches."""
    return b"".join(b"\\" + bytes([byte]) if byte in b"*?[]\\^-" else bytes([byte]) for byte in text)


def _url(address: str) -> str:
    """A URL of what Feast writes as `host:port,option=value,...`."""
    if "://" in address:
        return address
    place, *options = address.split(",")
    pairs = dict(option.split("=", 1) for option in options)
    scheme = "rediss" if pairs.pop("ssl", "false").lower() == "true" else "redis"
    user, password = quote(pairs.pop("username", ""), safe=""), quote(pairs.pop("password", ""), safe="")
    login = f"{user}:{password}@" if user or password else ""
    return f"{scheme}://{login}{place}?{urlencode(pairs)}"
