"""The file of keys."""

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ratoon.domain.errors import StoreError, UsageError
from ratoon.serving.keys import KeyFile, store

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def test_a_key_comes_back_without_its_secret(tmp_path: Path) -> None:
    """What was made is read again as it was; neither file nor value holds the secret, and only the owner can read the file."""
    file = KeyFile(tmp_path)
    assert file.all() == ()
    key, text = file.create("write", NOW, name="shop", rate="5/second", expires=LATER)
    other, _ = file.create("read", NOW)
    assert file.all() == (key, other)
    assert (key.role, key.name, key.rate, key.created, key.expires, key.revoked) == (
        "write",
        "shop",
        "5/second",
        NOW,
        LATER,
        None,
    )
    secret = text.rpartition("_")[2]
    for path in tmp_path.iterdir():
        assert secret not in path.read_text()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key.digest not in repr(key)


def test_a_revoked_key_stays_revoked(tmp_path: Path) -> None:
    """Revoking marks one key, once: a second time changes nothing; its state follows the time."""
    file = KeyFile(tmp_path)
    first, second = file.create("read", NOW, expires=LATER)[0], file.create("read", NOW)[0]
    assert (first.state(NOW), first.state(LATER), second.state(LATER)) == ("active", "expired", "active")
    assert file.revoke(first.id, LATER).revoked == LATER
    assert file.revoke(first.id, NOW).revoked == LATER
    assert [key.state(NOW) for key in file.all()] == ["revoked", "active"]
    with pytest.raises(UsageError, match="ID: expected the id of a key, found another. `ratoon keys list` shows the ids."):
        file.revoke("0" * 12, NOW)


@pytest.mark.parametrize(
    ("name", "rate", "said"),
    [
        ("x" * 65, None, "--name: expected at most 64 printable characters, found 'xxx"),
        ("a\nb", None, r"--name: expected at most 64 printable characters, found 'a\\nb'"),
        ("", "often", "--rate: expected a rate such as 100/second, found 'often'. Say how many in how long, once."),
    ],
)
def test_a_key_that_cannot_be_is_not_made(tmp_path: Path, name: str, rate: str | None, said: str) -> None:
    """A name that would break a list or a rate that is none is refused before anything is written."""
    with pytest.raises(UsageError, match=said):
        KeyFile(tmp_path).create("read", NOW, name=name, rate=rate)
    assert [*tmp_path.iterdir()] == []


def test_changes_at_once_lose_nothing(tmp_path: Path) -> None:
    """Threads and another process that make and revoke keys at the same time all find their changes in the file."""
    script = (
        "import sys, pathlib, datetime; from ratoon.serving.keys.store import KeyFile\n"
        "for _ in range(10): KeyFile(pathlib.Path(sys.argv[1])).create('read', datetime.datetime.now(datetime.UTC), name='other')"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )

    def change() -> None:
        while other.poll() is None:
            file = KeyFile(tmp_path)
            file.revoke(file.create("read", NOW, name="mine")[0].id, LATER)
            made.append(1)

    made: list[int] = []
    threads = [threading.Thread(target=change) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert other.returncode == 0
    states = [(key.name, key.state(NOW)) for key in KeyFile(tmp_path).all()]
    assert states.count(("other", "active")) == 10
    assert states.count(("mine", "revoked")) == len(made) > 0
    assert len(states) == 10 + len(made)


def _linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _edited(**more: object) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        raw = json.loads(path.read_text())
        raw["keys"][0] |= more
        path.write_text(json.dumps(raw))

    return edit


def _twice(path: Path) -> None:
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({**raw, "keys": raw["keys"] * 2}))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(b""), "the whole: Invalid JSON"),
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), "the whole: Invalid JSON"),
        (lambda path: path.write_text('{"version": 2, "keys": []}'), "version: Input should be 1"),
        (_edited(digest="secret-looking"), "keys.0.digest: String should match pattern"),
        (_edited(role="admin"), "keys.0.role: Input should be 'read', 'write' or 'operate'"),
        (_edited(rate="0/second"), "keys.0.rate: Value error, one rate of at least 1 is asked, not '0/second'"),
        (_edited(created="2026-01-01T00:00:00"), "keys.0.created: Input should have timezone info"),
        (_edited(admin=True), "keys.0.admin: Unexpected keyword argument"),
        (_twice, "an id that two keys have"),
        (_linked, "one that cannot be read (Too many levels of symbolic links)"),
        (_piped, "something that is no file"),
        (lambda path: path.chmod(0o620), "mode 0620, by which others may write it"),
        (lambda path: path.parent.chmod(0o777), "a folder of mode 0777, in which anybody may replace it"),
    ],
)
def test_what_cannot_be_trusted_is_refused(tmp_path: Path, damage: Callable[[Path], None], said: str) -> None:
    """A file that is damaged, linked, or that others could have written is refused without quoting it; nothing is lost."""
    file = KeyFile(tmp_path)
    file.create("read", NOW)
    damage(file.path)
    before = file.path.read_bytes() if file.path.is_file() else None
    for attempt in (file.all, lambda: file.create("operate", NOW), lambda: file.revoke("0" * 12, NOW)):
        with pytest.raises(StoreError) as refused:
            attempt()
        assert f"{file.path}: expected a file of keys that only its owner writes, found {said}" in str(refused.value)
        assert "chmod 600" in str(refused.value)
        assert "secret-looking" not in str(refused.value)
        assert refused.value.__cause__ is None or isinstance(refused.value.__cause__, OSError)
    assert before is None or file.path.read_bytes() == before


def test_a_strangers_file_is_refused(tmp_path: Path) -> None:
    """A file counts if root, we or the folder's owner own it, and no other user."""
    stranger = max(os.geteuid(), tmp_path.stat().st_uid) + 1
    for owner in (0, os.geteuid(), tmp_path.stat().st_uid):
        store._trust(tmp_path / "keys.json", os.stat_result((0o100600, 1, 1, 1, owner, 0, 0, 0, 0, 0)))
    with pytest.raises(StoreError, match=f"found one that user {stranger} owns"):
        store._trust(tmp_path / "keys.json", os.stat_result((0o100600, 1, 1, 1, stranger, 0, 0, 0, 0, 0)))
