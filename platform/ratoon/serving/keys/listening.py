"""Whether a server may listen where it is told to."""

from ipaddress import IPv6Address, ip_address

from ratoon.domain.errors import UsageError


def listening(host: str, has_keys: bool, has_tls: bool, insecure: bool) -> None:
    """Refuse an address that others can reach, unless callers show keys over TLS or the operator wants it open.

    Raises:
        UsageError: with what to do.
    """
    if insecure or loopback(host) or (has_keys and has_tls):
        return
    missing = " and ".join(name for name, there in (("no API keys", has_keys), ("no TLS certificate", has_tls)) if not there)
    raise UsageError(
        "--host",
        expected="a loopback address, such as 127.0.0.1, or API keys and TLS",
        found=f"{host!r} with {missing}",
        fix="Make a key with `ratoon keys create` and give a certificate, or say --insecure if something in front sees to both.",
    )


def loopback(host: str) -> bool:
    """Whether only this machine reaches a server there: 127.0.0.0/8, ::1, localhost. The wildcards are everybody's."""
    if host.lower() in ("localhost", "localhost."):
        return True
    try:
        address = ip_address(host)
    except ValueError:  # a name, which may mean anything
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
