"""API keys: what they look like, where their hashes are kept, what each role may do, and what is written down of its use."""

from ratoon.serving.keys.audit import Act, Audit
from ratoon.serving.keys.listening import listening
from ratoon.serving.keys.rates import Limit, Rates
from ratoon.serving.keys.ring import KeyRing
from ratoon.serving.keys.roles import ANONYMOUS, Caller, Role
from ratoon.serving.keys.secret import redacted
from ratoon.serving.keys.store import Key, KeyFile

__all__ = [
    "ANONYMOUS",
    "Act",
    "Audit",
    "Caller",
    "Key",
    "KeyFile",
    "KeyRing",
    "Limit",
    "Rates",
    "Role",
    "listening",
    "redacted",
]
