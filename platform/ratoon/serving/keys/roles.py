"""Who asks, what their role lets them do, and which role a request needs."""

import re
from dataclasses import dataclass
from typing import Literal

Role = Literal["read", "write", "operate"]

RANKS: dict[Role, int] = {"read": 0, "write": 1, "operate": 2}
"""Each role may do what those below it may."""

OPEN = frozenset(("/healthz", "/readyz"))
"""Paths that need no key: what keeps the process alive and in rotation has none."""

PAGE = frozenset(("/", "/sign-in", "/sign-out"))
"""Paths of the page: it asks for the key itself, and shows nothing without one."""

ASSETS_PATH = "/assets/"
"""Under it lies what the page is drawn with, which says nothing of what is served."""

READING = frozenset(("GET", "HEAD", "OPTIONS"))
WRITING: tuple[tuple[str, str, Role], ...] = (
    ("POST", "/retrieve", "read"),
    ("POST", "/retrieve/batch", "read"),
    ("POST", "/events", "write"),
    ("POST", "/items", "write"),
    ("PATCH", "/items/{id}", "write"),
    ("DELETE", "/items/{id}", "write"),
    ("POST", "/releases/{id}/activate", "operate"),
    ("POST", "/refresh", "operate"),
    ("POST", "/trial/promote", "operate"),
    ("POST", "/trial/end", "operate"),
)
"""Method, path below /v1 or /v1/surfaces/{surface}, role. An `{id}` may have slashes. What is not here needs `operate`."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        id: of their key; empty without one.
        name: of their key.
    """

    id: str
    name: str
    role: Role


ANONYMOUS = Caller("", "anonymous", "operate")
"""Whoever asks a server that has no keys: it listens on loopback, or was told to be open."""


def _row(method: str, path: str, role: Role) -> tuple[re.Pattern[str], Role, str]:
    pattern = re.escape(path).replace(r"\{id\}", ".+")
    return re.compile(rf"{method} /v1(?:/surfaces/[^/]+)?{pattern}", re.DOTALL), role, path


_TABLE = [_row(*row) for row in WRITING]
_FIXED = {(method, f"/v1{path}"): role for method, path, role in WRITING if "{" not in path}
_ANY = re.compile("|".join(f"({pattern.pattern})" for pattern, _, _ in _TABLE), re.DOTALL)


def needed(method: str, path: str) -> Role:
    """The role that a request needs.

    Args:
        path: decoded, as ASGI's scope has it; none of `OPEN`.
    """
    if method in READING:
        return "read"
    if (known := _FIXED.get((method, path))) is not None:  # most requests; the table's expression costs half a microsecond
        return known
    found = _ANY.fullmatch(f"{method} {path}")
    return "operate" if found is None or found.lastindex is None else _TABLE[found.lastindex - 1][1]


def action(method: str, path: str) -> str:
    """What a request that was not routed asks for, without what it names: `POST /v1/releases/{id}/activate`."""
    found = _ANY.fullmatch(f"{method} {path}")
    if found is None or found.lastindex is None:
        return f"{method if method.isalpha() else 'other'} unmatched"
    surface = "/surfaces/{surface}" if path.startswith("/v1/surfaces/") else ""
    return f"{method} /v1{surface}{_TABLE[found.lastindex - 1][2]}"
