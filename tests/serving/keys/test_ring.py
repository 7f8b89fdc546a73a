"""The keys as a server holds them."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ratoon.domain.errors import StoreError
from ratoon.serving.keys import Caller, KeyFile, KeyRing, Limit

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)


class Home:
    """A home with one key of a role `write`, what a server knows of it, and the two clocks."""

    def __init__(self, path: Path) -> None:
        self.path, self.seconds, self.now = path, 0.0, NOW
        self.file = KeyFile(path)
        self.key, self.text = self.file.create("write", NOW, name="shop", rate="5/second")
        self.ring = self.opened()

    def opened(self) -> KeyRing:
        return KeyRing(self.path, lambda: self.seconds, lambda: self.now)

    def opens(self, text: str | None = None) -> bool:
        assert self.ring.asks()
        return self.ring.find((text or self.text).encode()) is not None


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_key_is_known_and_everything_else_is_not(home: Home) -> None:
    """A key tells whose it is and how often it may ask; another secret, another id, another form and nothing tell nothing."""
    known = home.ring.find(home.text.encode())
    assert known is not None
    assert (known.caller, known.limit) == (Caller(home.key.id, "shop", "write"), Limit(5, 1))
    assert str(known.digest) not in repr(known)
    last = "1" if home.text[-1] == "0" else "0"
    for wrong in (
        home.text[:-1] + last,
        f"rtn_{'f' * 12}_{home.text[17:]}",
        home.text.upper(),
        home.text[:-1],
        home.text + "0",
        "",
    ):
        assert home.ring.find(wrong.encode()) is None
    assert home.ring.find(b"\xff" * 81) is None
    assert home.ring.find(None) is None


def test_a_digest_of_zeros_opens_nothing_for_unknown_ids(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record that stands for unknown ids is good for nobody, even for whoever finds a key that hashes to it."""
    monkeypatch.setattr("ratoon.serving.keys.secret.digest", lambda _: bytes(32))
    assert home.ring.find(f"rtn_{'f' * 12}_{'0' * 64}".encode()) is None


def test_a_change_is_seen_within_a_second(home: Home) -> None:
    """A key that was made or revoked is known or refused from the first look a second later; sooner the file is not looked at."""
    other, text = home.file.create("read", NOW)
    home.seconds = 0.99
    assert not home.opens(text)
    home.seconds = 1.0
    assert home.opens(text)
    home.file.revoke(other.id, NOW)
    home.file.revoke(home.key.id, NOW)
    home.seconds = 1.99
    assert home.opens(text)
    home.seconds = 2.0
    assert not home.opens(text)
    assert not home.opens()
    assert home.ring.asks()


def test_a_key_expires_by_the_clock(home: Home) -> None:
    """An expiring key is good up to its time and not at it, without another look at the file; zones make no difference."""
    _, text = home.file.create("read", NOW, expires=NOW + timedelta(hours=1))
    home.ring = home.opened()
    home.now = (NOW + timedelta(hours=1, microseconds=-1)).astimezone()
    assert home.opens(text)
    home.now = NOW + timedelta(hours=1)
    assert not home.opens(text)
    assert home.opens()


def test_keys_are_asked_for_from_the_first_on(tmp_path: Path) -> None:
    """Where no key was ever made nothing is asked; a server that runs asks within a second after the first was made."""
    seconds = 0.0
    ring = KeyRing(tmp_path, lambda: seconds, lambda: NOW)
    assert not ring.asks()
    seconds = 5.0
    assert not ring.asks()
    _, text = KeyFile(tmp_path).create("read", NOW)
    seconds = 6.0
    assert ring.asks()
    assert ring.find(text.encode())


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), "Invalid JSON"),
        (lambda path: path.write_text('{"version": 1, "keys": []}'), "has no keys any more"),
        (lambda path: path.chmod(0o666) or path.touch(), "by which others may write it"),
        (lambda path: path.unlink(), "is gone"),
        (lambda path: path.unlink() or path.symlink_to("/dev/null"), "symbolic link"),
    ],
)
def test_damage_opens_no_door(home: Home, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None], said: str) -> None:
    """While the file is damaged, empty or gone the last good keys stay in force, logged once; mended, it counts again."""
    good = home.file.path.read_bytes()
    damage(home.file.path)
    for home.seconds in (1.0, 2.0, 3.0):
        assert home.opens()
        assert not home.opens(home.text[:-1] + "x")
    (told,) = caplog.records
    assert (told.levelno, told.name) == (logging.ERROR, "ratoon.serving")
    assert "the keys that were read last stay in force" in told.getMessage()
    assert said in told.getMessage()
    home.file.path.unlink(missing_ok=True)
    home.file.path.write_bytes(good)
    home.file.path.chmod(0o600)
    home.file.revoke(home.key.id, NOW)
    home.seconds = 4.0
    assert not home.opens()
    assert len(caplog.records) == 1


def test_a_first_file_that_is_damaged_lets_nobody_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing was asked, a file that cannot be read closes the door, which is logged; without it all is as before."""
    seconds = 0.0
    ring = KeyRing(tmp_path, lambda: seconds, lambda: NOW)
    (tmp_path / "keys.json").write_text("{")
    seconds = 1.0
    assert ring.asks()
    assert ring.find(b"rtn_000000000000_" + b"0" * 64) is None
    assert "Invalid JSON" in caplog.text
    (tmp_path / "keys.json").unlink()
    seconds = 2.0
    assert not ring.asks()


def test_a_server_does_not_start_on_damage(home: Home) -> None:
    """With a file that cannot be read there are no last good keys, so that opening it fails."""
    home.file.path.write_text("{")
    with pytest.raises(StoreError, match="expected a file of keys that only its owner writes, found the whole: Invalid JSON"):
        home.opened()
