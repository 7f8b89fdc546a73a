"""What an API key looks like: `rtn_<id>_<secret>`, 12 and 64 hexadecimal digits.

The id may be known: it names the key in lists, logs and the audit file. The secret has 256 random bits, which nobody guesses
however fast they hash, so one round of SHA-256 protects it; a slow hash (Argon2, bcrypt) is for what people make up, and
would cost every request milliseconds. The prefix lets scanners of source code find keys that were checked in by mistake.
"""

import re
import secrets
from hashlib import sha256

PREFIX = "rtn_"
ID = r"[0-9a-f]{12}"
LENGTH = 81
"""Of a whole key, in bytes."""

_SECRET = re.compile(rf"({PREFIX}{ID}_)[0-9a-f]{{64}}")


def new_id() -> str:
    """A random id of 48 bits; whoever stores keys sees to it that it is the only one."""
    return secrets.token_hex(6)


def new_key(id: str) -> str:
    """A whole key with that id and a secret from the operating system's random source."""
    return f"{PREFIX}{id}_{secrets.token_hex(32)}"


def id_of(key: bytes) -> str | None:
    """The id in something that has a key's form; None for anything else."""
    if len(key) != LENGTH or key[:4] != b"rtn_" or key[16:17] != b"_" or not key.isascii():
        return None
    return key[4:16].decode()


def digest(key: bytes) -> bytes:
    """The SHA-256 (FIPS 180-4) of a whole key, 32 bytes: all of it that is kept."""
    return sha256(key).digest()


def redacted(text: str) -> str:
    """The text with the secret of every key in it taken out, for what is written down."""
    return _SECRET.sub(r"\1***", text)
