"""What the project's text must not name."""

from tests.architecture.sources import ROOT, text_files

# Written in two parts, or this file would name them.
HOSTS = [
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "download.pytorch" + ".org",
    "anaconda" + ".org",
    "npmjs" + ".org",
    "npmjs" + ".com",
    "yarnpkg" + ".com",
    "crates" + ".io",
    "proxy.golang" + ".org",
    "deb.debian" + ".org",
    "archive.ubuntu" + ".com",
    "repo.maven" + ".apache.org",
]


def test_no_registry_host_is_named() -> None:
    """No file names the host of a package registry: where packages come from is the installing machine's business."""
    named = [
        f"{path.relative_to(ROOT)}: {host}"
        for path in text_files()
        for text in [path.read_text(encoding="utf-8", errors="replace").lower()]
        for host in HOSTS
        if host in text
    ]
    assert named == []
