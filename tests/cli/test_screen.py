"""What a person sees: whole lines where nobody's screen is in the way, and blocks where a table would not fit."""

import io
import sqlite3
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from rich.console import Console
from typer.testing import CliRunner

from ratoon.cli import app as cli
from ratoon.cli import screen
from ratoon.domain.errors import UsageError

ROW = {
    "release": "ab" * 32,
    "offline_age": 259_200.0,
    "left_out": (),
    "when": datetime(2024, 5, 6, 7, 8, 9, 1, UTC),
    "reason": "a long story " * 10,
}


def printed(width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(screen.table([ROW, ROW]))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_what_is_piped_is_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    """Away from a terminal each row is one line, however long, with ids cut, spans in words and no empty brackets."""
    screen.show(None, False, screen.table([ROW]))
    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == ["release", "offline", "age", "left", "out", "when", "reason"]
    assert line.split("  ")[0].strip() == "ab" * 6
    assert "3.0 d" in line
    assert "()" not in line
    assert "2024-05-06 07:08:09" in line
    assert ("a long story " * 10).strip() in line


def test_a_narrow_screen_gets_blocks() -> None:
    """A table that does not fit becomes one line per value, so that no value is folded for the sake of another."""
    assert len(printed(300).splitlines()) == 3
    narrow = printed(80).splitlines()
    assert max(map(len, narrow)) <= 80
    assert [line.split()[0] for line in narrow if line.startswith(" when")] == ["when", "when"]
    assert sum("2024-05-06 07:08:09" in line for line in narrow) == 2


@pytest.mark.parametrize("error", [pa.ArrowInvalid("cut\nshort"), pa.ArrowKeyError("cut\nshort"), sqlite3.Error("cut\nshort")])
def test_what_a_library_throws_is_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error of Arrow's or SQLite's own that nobody expected ends with exit code 5 and one line, without a traceback."""

    def fails() -> None:
        raise error

    monkeypatch.setattr(cli, "entry", lambda: fails)
    assert cli._run() == 5
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(type(error).__name__)
    assert "cut short" in line


def test_brackets_and_colons_stay(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines, cells and errors are printed as they are: no [name] is taken for a style, and no :name: for a picture."""
    screen.show(None, False, "none under [jobs] at 127.0.0.1:-1:", screen.table([{"reasons": ["a [b]", "c"]}]))
    assert [line.strip() for line in capsys.readouterr().out.splitlines()] == [
        "none under [jobs] at 127.0.0.1:-1:",
        "reasons",
        "a [b]; c",
    ]

    def fails() -> None:
        raise UsageError("127.0.0.1:-1", expected="a port", found="[x]", fix="Choose another.")

    monkeypatch.setattr(cli, "entry", lambda: fails)
    assert cli._run() == 2
    assert capsys.readouterr().err == "UsageError 127.0.0.1:-1: expected a port, found [x]. Choose another.\n"


@pytest.mark.parametrize(
    ("command", "said"),
    [("gc", "[retention] and [exposures]"), ("upkeep tune", "settings of [training]"), ("backtest", "[plan] and [drift]")],
)
def test_help_names_sections(command: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The help of a command names the sections of ratoon.toml in their brackets."""
    monkeypatch.setenv("COLUMNS", "300")
    assert said in CliRunner().invoke(cli.app, [*command.split(), "--help"]).stdout


def test_progress_is_for_terminals(capsys: pytest.CaptureFixture[str]) -> None:
    """Where stderr is no terminal nothing of the bars is printed: cron would mail it."""
    with screen.busy("looking"):
        pass
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("command", ["serve", "demo"])
@pytest.mark.parametrize("port", ["-1", "65536"])
def test_ports_are_ports(command: str, port: str) -> None:
    """A port that there cannot be is refused before anything is done."""
    done = CliRunner().invoke(cli.app, [command, "--port", port])
    assert done.exit_code == 2
    assert "--port" in done.output
