"""`ratoon keys`, called as a person does."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ratoon import config
from ratoon.cli.app import app
from ratoon.domain.errors import StoreError, UsageError
from ratoon.serving.keys import KeyFile, KeyRing


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(config.CONFIG, raising=False)
    monkeypatch.setenv(config.HOME, str(tmp_path / "var"))
    return tmp_path / "var"


def ratoon(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["keys", *arguments])


def test_a_key_is_printed_once_and_works(home: Path) -> None:
    """`create` prints the key alone on stdout and what to do with it beside; a server knows it; no list shows its secret."""
    made = ratoon("create", "--role", "write", "--name", "shop", "--rate", "5/second", "--expires", "30 d")
    assert made.exit_code == 0
    key = made.stdout.removesuffix("\n")
    assert re.fullmatch("rtn_[0-9a-f]{12}_[0-9a-f]{64}", key)
    assert made.stderr.startswith("Keep it now; it is not shown again.")
    known = KeyRing(home, lambda: 0.0, lambda: datetime.now(UTC)).find(key.encode())
    assert known is not None
    assert (known.caller.name, known.caller.role) == ("shop", "write")
    shown = [ratoon("list").stdout, ratoon("list", "--json").stdout, (home / "audit.jsonl").read_text()]
    (kept,) = KeyFile(home).all()
    assert all("shop" in text and kept.id in text for text in shown)
    assert not any(key[17:] in text or kept.digest in text for text in shown)
    (row,) = json.loads(shown[1])
    assert set(row) == {"id", "name", "role", "created", "rate", "expires", "revoked", "state"}
    assert datetime.fromisoformat(row["expires"]) - datetime.fromisoformat(row["created"]) == timedelta(days=30)


def test_revoking(home: Path) -> None:
    """`revoke` makes a key good for nothing, which the list shows; again it changes nothing; both changes of keys are audited."""
    assert ratoon("list").stdout == "no keys: a server asks for none\n"
    made = json.loads(ratoon("create", "--role", "read", "--json").stdout)
    assert made["key"].startswith(f"rtn_{made['id']}_")
    assert ratoon("revoke", made["id"]).stdout.startswith(f"key {made['id']} is good for nothing since 20")
    first = json.loads(ratoon("list", "--json").stdout)
    assert [row["state"] for row in first] == ["revoked"]
    assert json.loads(ratoon("revoke", made["id"], "--json").stdout) == first[0]
    lines = [json.loads(line) for line in (home / "audit.jsonl").read_text().splitlines()]
    assert [(line["name"], line["action"], line["on"]["id"]) for line in lines] == [
        ("cli", "keys create", made["id"]),
        ("cli", "keys revoke", made["id"]),
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("create", "--role", "read", "--expires", "soon"),
            "--expires: expected a span such as `30 d`, longer than nothing, found 'soon'",
        ),
        (
            ("create", "--role", "read", "--expires", "0 d"),
            "--expires: expected a span such as `30 d`, longer than nothing, found '0 d'",
        ),
        (("create", "--role", "read", "--expires", "999999999 d"), "longer than nothing, found '999999999 d'. Leave it out"),
        (("create", "--role", "read", "--rate", "often"), "--rate: expected a rate such as 100/second, found 'often'"),
        (("create", "--role", "read", "--name", "x" * 65), "--name: expected at most 64 printable characters"),
        (("revoke", "nobody"), "ID: expected the id of a key, found another. `ratoon keys list` shows the ids."),
    ],
)
def test_mistakes(home: Path, arguments: tuple[str, ...], said: str) -> None:
    """What cannot be is a usage error that says what to do, and makes no key."""
    failed = ratoon(*arguments)
    assert isinstance(failed.exception, UsageError)
    assert said in str(failed.exception)
    assert KeyFile(home).all() == ()


def test_a_role_is_one_of_three(home: Path) -> None:
    """Without a role, or with an unknown one, no key is made."""
    for arguments in ((), ("--role", "admin")):
        assert ratoon("create", *arguments).exit_code == 2
    assert not home.exists()


def test_a_key_that_nobody_wrote_down_is_not_shown(home: Path) -> None:
    """Where the audit file cannot be written the new key's secret is not printed, so that it opens nothing."""
    (home / "audit.jsonl").mkdir(parents=True)
    failed = ratoon("create", "--role", "operate")
    assert isinstance(failed.exception, StoreError)
    assert "rtn_" not in failed.output
