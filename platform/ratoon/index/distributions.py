"""Which FAISS is installed. Found out from package metadata alone, without importing it."""

from collections.abc import Iterator
from importlib import metadata

from ratoon.domain.errors import StoreError, UsageError

KNOWN = ("faiss", "faiss-cpu", "faiss-gpu", "faiss-gpu-cu11", "faiss-gpu-cu12", "faiss-gpu-cuvs")
"""Distributions that bring the top-level package `faiss`; one that is not listed is found by the files it brings."""


def faiss_distributions() -> dict[str, str]:
    """Every installed distribution that brings `faiss`: name -> version."""
    found: dict[str, str] = {}
    for name in (*KNOWN, *_bringing()):
        try:
            found[name.lower().replace("_", "-")] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _bringing() -> Iterator[str]:
    """The names of distributions that list the files of `faiss`."""
    # Not `packages_distributions`, which parses the list of every distribution: a fifth of the time that a server takes to start.
    for distribution in metadata.distributions():
        if "\nfaiss/" in f"\n{distribution.read_text('RECORD')}":
            yield distribution.metadata["Name"]


def refuse_two_faiss() -> None:
    """Refuse to start on a FAISS that cannot be relied on.

    Raises:
        UsageError: several distributions are installed; the later one has overwritten files of the earlier.
        StoreError: none is installed.
    """
    found = faiss_distributions()
    if not found:
        raise StoreError(
            "faiss",
            expected="one installed FAISS distribution",
            found="none",
            fix="Install Ratoon with the extra `cpu` or `gpu`.",
        )
    if len(found) > 1:
        raise UsageError(
            "faiss",
            expected="one installed FAISS distribution",
            found=" and ".join(f"{name} {version}" for name, version in sorted(found.items())),
            fix="They overwrite each other's files: uninstall all of them, then install the one you want.",
        )


def faiss_info() -> dict[str, object]:
    """What `ratoon doctor` prints: version, compile_options (list), gpus (count), distributions (name -> version)."""
    refuse_two_faiss()
    import faiss

    return {
        "version": faiss.__version__,
        "compile_options": faiss.get_compile_options().split(),
        "gpus": int(faiss.get_num_gpus()),
        "distributions": faiss_distributions(),
    }
