"""The certificate that a server shows: read when it starts, and again when its operator has renewed it."""

import logging
import ssl
from pathlib import Path

from ratoon.domain.errors import UsageError

logger = logging.getLogger("ratoon.serving")


class Certificate:
    """A certificate chain and its key in PEM files.

    Attributes:
        context: for the connections to come; those that are there keep what they were shown.

    Raises:
        UsageError: they cannot be read, or do not belong together.
    """

    def __init__(self, chain: Path, key: Path) -> None:
        self._chain, self._key = chain, key
        self.context = self._read()

    def reload(self) -> None:
        """Show what is in the files now; if that is no good the old certificate stays, and it is logged."""
        try:
            self._read()
        except UsageError as error:
            logger.error("the certificate is not read again: %s", error)
            return
        self.context.load_cert_chain(self._chain, self._key)
        logger.info("the certificate was read again")

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(self._chain, self._key)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                "[serving] certificate",
                expected="a PEM file with a certificate chain, and its key without a password",
                found=f"{self._chain} and {self._key}: {error}",
                fix="Correct `certificate` and `private_key` in ratoon.toml.",
            ) from error
        return context
