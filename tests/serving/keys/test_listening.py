"""Where a server may listen."""

import itertools

import pytest

from ratoon.domain.errors import UsageError
from ratoon.serving.keys import listening

NEAR = ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LocalHost", "::ffff:127.0.0.1"]
FAR = ["0.0.0.0", "::", "", "10.0.0.1", "example.com", "localhost.example.com", "128.0.0.1", "::ffff:10.0.0.1", "0", "127.1"]


@pytest.mark.parametrize("host", NEAR)
def test_loopback_is_always_allowed(host: str) -> None:
    """On loopback a server may listen without keys and TLS."""
    for keys, tls, insecure in itertools.product([False, True], repeat=3):
        listening(host, keys, tls, insecure)


@pytest.mark.parametrize("host", FAR)
def test_beyond_it_takes_keys_and_tls(host: str) -> None:
    """Everywhere else, wildcards and names included, both are needed, and what is missing is named; --insecure goes without."""
    listening(host, has_keys=True, has_tls=True, insecure=False)
    listening(host, has_keys=False, has_tls=False, insecure=True)
    for keys, tls, missing in [
        (False, False, "no API keys and no TLS certificate"),
        (False, True, "no API keys"),
        (True, False, "no TLS certificate"),
    ]:
        with pytest.raises(UsageError) as refused:
            listening(host, keys, tls, insecure=False)
        assert str(refused.value) == (
            "--host: expected a loopback address, such as 127.0.0.1, or API keys and TLS, "
            f"found {host!r} with {missing}. Make a key with `ratoon keys create` and give a certificate, "
            "or say --insecure if something in front sees to both."
        )
