"""What the README tells operators to write and to type is what the program takes."""

import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from cronsim import CronSim
from typer.main import get_command
from typer.testing import CliRunner

from ratoon import config
from ratoon.cli.app import app
from tests.architecture.sources import ROOT

SECTION = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Operate\n")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
PROSE = re.sub(r"^```.*?^```$", "", SECTION, flags=re.MULTILINE | re.DOTALL)
ROOT_COMMAND: Any = get_command(app)
OTHERS = {"docker": "build", "kubectl": "apply"}
"""Programs of others, and what they are asked for."""
LASTING = ("worker",)
"""Commands that end when they are told to, and so are not run here."""


def blocks(kind: str) -> list[str]:
    found = [text for said, text in BLOCKS if said == kind]
    assert found, f"the section has no {kind} block"
    return found


def lines(kind: str) -> Iterator[str]:
    for block in blocks(kind):
        yield from (line for line in block.splitlines() if line.strip() and not line.lstrip().startswith("#"))


def parsed(words: list[str]) -> list[str]:
    """The names of the command that is called, by typer itself: its options, arguments and their kinds are checked."""
    command, names = ROOT_COMMAND, []
    assert words[0] == "ratoon"
    words = words[1:]
    while words and words[0] in getattr(command, "commands", {}):
        names.append(words[0])
        command, words = command.commands[words[0]], words[1:]
    assert not hasattr(command, "commands"), f"{names} is no whole command"
    command.make_context(" ".join(names), list(words))
    return names


def plain(said: str) -> list[str]:
    """A command as a sentence names it, with what may be left out, and words that stand for something."""
    known = {"TIME": "2026-01-01T00:00:00", "ID": "1", "FIRST:LAST": "1:2", "N": "1", "M": "1"}
    return [known.get(word, word) for word in shlex.split(re.sub(r"[\[\]]", " ", said))]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that has seen nothing, with the section's settings; its folders are here."""
    (tmp_path / "ratoon.toml").write_text(moved("\n".join(blocks("toml")), tmp_path))
    (tmp_path / "feature_repo").mkdir()
    monkeypatch.setenv("RATOON_CONFIG", str(tmp_path / "ratoon.toml"))
    monkeypatch.setenv("RATOON_HOME", str(tmp_path / "home"))
    return tmp_path


def moved(text: str, folder: Path) -> str:
    return re.sub(r"(?<![\w/])/(mnt|srv)/", f"{folder}/", text)


def test_every_block_is_of_a_kind_that_is_checked() -> None:
    """There is no snippet that nothing here looks at, fenced or indented."""
    assert {kind for kind, _ in BLOCKS} == {"toml", "sh", "crontab", "yaml"}
    assert not re.search(r"^    \S", PROSE, re.MULTILINE)


def test_the_settings_load(home: Path) -> None:
    """All of them together, by the program's own reader."""
    settings = config.load(home / "ratoon.toml", environment={})
    assert set(settings.jobs) == {"learn", "fill", "anew", "clear", "copy"}
    assert settings.costs.cpu_hour > 0


def test_every_line_for_the_shell_runs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the page, in a home that has seen nothing; what lasts is parsed, what is applied is there."""
    for line in lines("sh"):
        assert subprocess.run(["bash", "-nc", line], check=False).returncode == 0, line
        words = shlex.split(moved(line, home), comments=True)
        with monkeypatch.context() as given:
            while "=" in words[0]:
                given.setenv(*words.pop(0).split("=", 1))
            if words[0] in OTHERS:
                files = [path for flag, path in pairwise(words) if flag == "-f"]
                assert words[1] == OTHERS[words[0]]
                assert files
                assert all((ROOT / path).is_file() for path in files)
                continue
            if parsed(words)[0] in LASTING:
                continue
            done = CliRunner().invoke(app, words[1:])
            assert done.exit_code == 0, f"{line}: {done.output} {done.exception}"


def test_cron_takes_the_table_and_runs_every_job(home: Path) -> None:
    """Each line is a variable, or five fields and a command with options that it has, and each job has one."""
    jobs, ran = config.load(home / "ratoon.toml", environment={}).jobs, []
    for line in lines("crontab"):
        if re.match(r"[A-Z_]+=", line):
            continue
        *fields, command = line.split(maxsplit=5)
        next(CronSim(" ".join(fields), datetime(2026, 1, 1, tzinfo=UTC)))
        assert "%" not in command  # cron's own sign for a new line
        assert subprocess.run(["sh", "-nc", command], check=False).returncode == 0
        words = shlex.split(command.partition(">>")[0])
        if parsed(words) == ["jobs", "run"]:
            assert "--slot" in words
            ran.append(words[3])
    assert sorted(ran) == sorted(jobs)


@pytest.mark.parametrize("version", ["1.29", "1.37"])
def test_kubernetes_takes_every_document(version: str) -> None:
    """By its own schemas, an old one and a new one, without a field that they do not know; what it calls is a command."""
    validator = pytest.importorskip("kubernetes_validate")
    infra = [one for file in (ROOT / "infra" / "kubernetes").glob("*.yaml") for one in yaml.safe_load_all(file.read_text())]
    there = {(one["kind"], one["metadata"]["name"]) for one in infra}
    for document in (one for text in blocks("yaml") for one in yaml.safe_load_all(text)):
        validator.validate(document, version, strict=True)
        next(CronSim(document["spec"]["schedule"], datetime(2026, 1, 1, tzinfo=UTC)))
        pod = document["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        parsed(pod["containers"][0]["args"])
        claim, settings = pod["volumes"]
        assert ("PersistentVolumeClaim", claim["persistentVolumeClaim"]["claimName"]) in there
        assert ("ConfigMap", settings["configMap"]["name"]) in there


def test_every_command_that_is_named_exists() -> None:
    """Those of sentences and tables; one that is named without `ratoon` belongs where the one before it does."""
    before = list[str]()
    for line in PROSE.splitlines():
        cell = line.split("|")[1] if line.startswith("|") else line
        for said in re.findall(r"`([^`]+)`", cell):
            words = plain(said)
            if words[0] == "ratoon":
                before = parsed(words)
            elif line.startswith("| `ratoon"):
                group = next(before[:end] for end in range(len(before), -1, -1) if _is_command([*before[:end], words[0]]))
                parsed(["ratoon", *group, *words])


def _is_command(names: list[str]) -> bool:
    command = ROOT_COMMAND
    for name in names:
        command = getattr(command, "commands", {}).get(name)
    return command is not None


def test_every_setting_that_is_named_exists() -> None:
    """A section in brackets, and the name behind it, are what ratoon.toml can hold."""
    named = re.findall(r"`\[([\w.]+)\](?: (\w+))?[^`]*`", PROSE)
    assert named
    for section, name in named:
        fields: Any = config.Settings.model_fields
        first, *rest = section.split(".")
        kind = fields[first].annotation
        if rest:
            kind = kind.__args__[1]
        for inner in rest[1:]:
            kind = kind.model_fields[inner].annotation
        assert not name or name in kind.model_fields, f"[{section}] {name}"


def test_every_link_leads_somewhere() -> None:
    """To a file or folder of ours."""
    links = re.findall(r"\]\(([^)]+)\)", PROSE)
    assert links
    assert [link for link in links if "://" not in link and not (ROOT / link.partition("#")[0]).exists()] == []


def test_the_image_is_what_kubernetes_runs() -> None:
    """Its name and version, its user, and where it keeps the features are those of the manifests; what it copies is there."""
    image = (ROOT / "infra" / "Dockerfile").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    manifests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "infra" / "kubernetes").glob("*.yaml"))
    named = set(re.findall(r"(?:image: |-t )(\S+)", "\n".join([image.partition("\n")[0], manifests, SECTION])))
    assert named == {f"ratoon:{project['version']}"}
    [settings] = re.findall(r"^  ratoon\.toml: \|\n((?:    .*\n|\n)+)", manifests, re.MULTILINE)
    [uid], [home] = re.findall(r"--uid (\d+)", image), re.findall(r"--home-dir (\S+)", image)
    [folder], [user] = (re.findall(rf"^{name} (\S+)", image, re.MULTILINE) for name in ("WORKDIR", "USER"))
    assert {user, *re.findall(r"(?:runAsUser|fsGroup): (\d+)", manifests)} == {uid}
    assert f'feature_repo = "{folder}/feature_repo"' in settings
    assert f'home = "{home}"' in settings
    copied = [word for line in re.findall(r"^COPY (.*)$", image, re.MULTILINE) for word in line.split()[:-1]]
    assert "feature_repo" in copied
    assert all((ROOT / word).exists() for word in copied)
    [extras] = re.findall(r"^ARG EXTRAS=(\S+)", image, re.MULTILINE)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
