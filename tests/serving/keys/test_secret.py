"""What a key looks like."""

import hashlib
import json

from hypothesis import example, given
from hypothesis import strategies as st

from ratoon.serving.keys import secret


def test_a_key_names_its_id_and_is_never_made_twice() -> None:
    """A key has the documented form, its id can be read from it, its digest is SHA-256, and two of them differ."""
    id = secret.new_id()
    first, second = secret.new_key(id), secret.new_key(id)
    assert first.startswith(f"rtn_{id}_")
    assert len(first) == secret.LENGTH
    assert bytes.fromhex(first.rpartition("_")[2]) != bytes.fromhex(second.rpartition("_")[2])
    assert len(bytes.fromhex(first.rpartition("_")[2])) == 32
    assert secret.id_of(first.encode()) == id
    assert secret.digest(first.encode()).hex() == hashlib.sha256(first.encode()).hexdigest()


@given(st.binary(max_size=100) | st.binary(min_size=81, max_size=81))
@example(b"rtn_" + b"0" * 12 + b"-" + b"0" * 64)
@example(b"RTN_" + b"0" * 12 + b"_" + b"0" * 64)
@example(b"rtn_" + b"\xff" * 12 + b"_" + b"0" * 64)
@example(b"rtn_" + b"0" * 12 + b"_" + b"0" * 63)
def test_what_has_no_keys_form_has_no_id(shown: bytes) -> None:
    """Any bytes but those of a key's form are told apart without an error."""
    id = secret.id_of(shown)
    assert id is None or shown.startswith(f"rtn_{id}_".encode())
    if len(shown) != secret.LENGTH or not shown.isascii() or not shown.startswith(b"rtn_") or shown[16:17] != b"_":
        assert id is None


def test_secrets_are_taken_out_of_text() -> None:
    """Every key in a text keeps its id and loses its secret; other text stays as it is."""
    key = secret.new_key("0123456789ab")
    assert (
        secret.redacted(json.dumps({"a": f"x{key}y", "b": key})) == '{"a": "xrtn_0123456789ab_***y", "b": "rtn_0123456789ab_***"}'
    )
    assert secret.redacted("rtn_of") == "rtn_of"
