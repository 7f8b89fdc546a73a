"""The examples for cron and Kubernetes are what those take, and call commands and jobs that there are."""

import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from cronsim import CronSim
from typer.main import get_command

from ratoon import config
from ratoon.cli.app import app
from tests.architecture.sources import ROOT

CRON, KUBERNETES = ROOT / "infra" / "cron" / "ratoon", ROOT / "infra" / "kubernetes"


def documents() -> list[dict[str, Any]]:
    return [one for file in sorted(KUBERNETES.glob("*.yaml")) for one in yaml.safe_load_all(file.read_text(encoding="utf-8"))]


def kind(name: str) -> dict[str, Any]:
    (found,) = [one for one in documents() if one["kind"] == name]
    return found


def settings(folder: Path) -> config.Settings:
    (folder / "ratoon.toml").write_text(kind("ConfigMap")["data"]["ratoon.toml"])
    return config.load(folder / "ratoon.toml", environment={})


def called(words: list[str]) -> Any:
    """The command that these words call, all of whose options it has."""
    command: Any = get_command(app)
    assert words.pop(0) == "ratoon"
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known
    return command


@pytest.mark.parametrize("version", ["1.29", "1.37"])
def test_kubernetes_takes_every_document(version: str) -> None:
    """Each holds to Kubernetes' own schema, without a field that it does not know, in an old version and a new one."""
    validator = pytest.importorskip("kubernetes_validate")
    for one in documents():
        validator.validate(one, version, strict=True)
    broken = kind("CronJob")
    broken["spec"]["jobTemplate"]["spec"]["backofLimit"] = 0
    with pytest.raises(validator.ValidationError):
        validator.validate(broken, version, strict=True)


def test_the_documents_fit_together(tmp_path: Path) -> None:
    """Volumes and settings are there, the configuration is one, and every command and job that is called exists."""
    known = {(one["kind"], one["metadata"]["name"]) for one in documents()}
    jobs = settings(tmp_path).jobs
    worker, shot = (
        kind("Deployment")["spec"]["template"]["spec"],
        kind("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"],
    )
    for pod in (worker, shot):
        home, given = pod["volumes"]
        assert ("PersistentVolumeClaim", home["persistentVolumeClaim"]["claimName"]) in known
        assert ("ConfigMap", given["configMap"]["name"]) in known
        called(list(pod["containers"][0]["args"]))
    assert shot["containers"][0]["args"][3] in jobs
    assert worker["terminationGracePeriodSeconds"] > float(worker["containers"][0]["args"][3])
    next(CronSim(kind("CronJob")["spec"]["schedule"], datetime(2026, 1, 1, tzinfo=UTC)))


def test_cron_takes_its_table(tmp_path: Path) -> None:
    """Each line is a variable, or five fields, a user and a command of ours on a job that the settings have."""
    jobs, lines = settings(tmp_path).jobs, CRON.read_text(encoding="utf-8").splitlines()
    entries = [line for line in lines if line and not line.startswith("#") and "=" not in line.split()[0]]
    ran = set()
    for line in entries:
        *fields, user, command = line.split(maxsplit=6)
        next(CronSim(" ".join(fields), datetime(2026, 1, 1, tzinfo=UTC)))
        assert user == "ratoon"
        assert "%" not in command  # cron's own sign for a new line
        words = shlex.split(command.partition(">>")[0])
        ran |= set(words[3:4]) if words[2] == "run" else set()
        called(words)
    assert ran == set(jobs)
    assert CRON.read_bytes().endswith(b"\n")  # cron ignores a last line without one
