"""Alerts, runbooks and the dashboard agree with what a server exports, and load in Prometheus's own tool."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from ratoon.serving.metrics import Metrics
from tests.architecture.sources import ROOT
from tests.fakes.serving_world import World

PROMETHEUS, RUNBOOKS = ROOT / "infra" / "prometheus", ROOT / "docs" / "runbooks"
DASHBOARD = ROOT / "infra" / "grafana" / "ratoon.json"

UNUSED: dict[str, str] = {}
"""Exported metrics that neither an alert nor the dashboard shows, and why."""


def rules(file: str) -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / file).read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = rules("alerts.yml")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Every metric of a live server -> the names of its samples."""
    world = World.at(tmp_path_factory.mktemp("world"))
    text = Metrics().text(world.rooms).decode()
    world.log.close()
    endings = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
    return {one.name: {one.name + end for end in endings[one.type]} for one in text_string_to_metric_families(text)}


def queries() -> Iterator[tuple[str, str]]:
    """Where, and what, every PromQL expression of ours is."""
    for rule in [*ALERTS, *rules("recording.yml")]:
        yield rule.get("alert") or rule["record"], rule["expr"]
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield f"panel {panel['title']}", target["expr"]
    for note in board["annotations"]["list"]:
        yield f"annotation {note['name']}", note["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", variable["query"]["query"]


def names(expression: str) -> set[str]:
    """The metrics that an expression reads, roughly: label values, such as names of alerts, are left out."""
    return set(re.findall(r"\b(?:\w+:)?(?:ratoon|process)_\w+(?::\w+)?", re.sub(r'"[^"]*"', "", expression)))


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_an_alert_says_what_to_do(alert: dict[str, Any]) -> None:
    """Each has a severity, a summary and a page of its own name with exactly one command, which a shell can read."""
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["runbook_url"] == f"docs/runbooks/{alert['alert']}.md"
    page = (RUNBOOKS / f"{alert['alert']}.md").read_text(encoding="utf-8")
    assert re.findall("^#+ .*", page, re.MULTILINE) == [
        f"# {alert['alert']}",
        "## Run this first",
        "## Then",
        "## What not to do",
    ]
    (command,) = re.findall(r"^```sh\n(.*?)\n```$", page, re.MULTILINE | re.DOTALL)
    assert page.count("```") == 2
    assert "\n" not in command
    assert shlex.split(command)[0] in ("ratoon", "curl")


def test_no_page_is_without_its_alert() -> None:
    """Every page belongs to an alert, and every link between pages leads to one."""
    pages = {path.stem for path in RUNBOOKS.glob("*.md")}
    assert pages == {alert["alert"] for alert in ALERTS}
    linked = {name for path in RUNBOOKS.glob("*.md") for name in re.findall(r"\]\((\w+)\.md\)", path.read_text(encoding="utf-8"))}
    assert linked <= pages


def test_every_command_of_a_page_exists() -> None:
    """What a page says to run is a command of `ratoon`, with options it has."""
    from typer.main import get_command

    from ratoon.cli.app import app

    root = get_command(app)
    wrong = []
    for path in sorted(RUNBOOKS.glob("*.md")):
        page = path.read_text(encoding="utf-8")
        for said in re.findall(r"(?:`|^)ratoon ([^`\n|]+)", page, re.MULTILINE):
            command: Any = root
            words = shlex.split(said)
            while words and hasattr(command, "commands") and words[0] in command.commands:
                command = command.commands[words.pop(0)]
            options = {option for parameter in command.params for option in parameter.opts}
            if hasattr(command, "commands") or {word for word in words if word.startswith("--")} - options:
                wrong.append(f"{path.name}: ratoon {said}")
    assert wrong == []


def test_every_metric_that_is_read_is_exported(exported: dict[str, set[str]]) -> None:
    """An alert, a recorded rule or a panel that reads a name which no server exports would stay silent for ever."""
    known = {sample for samples in exported.values() for sample in samples} | {rule["record"] for rule in rules("recording.yml")}
    assert {where: names(expression) - known for where, expression in queries() if names(expression) - known} == {}


def test_every_exported_metric_is_shown(exported: dict[str, set[str]]) -> None:
    """What is counted is in an alert or on the dashboard, or a reason says why not."""
    read = {name for _, expression in queries() for name in names(expression)}
    shown = {metric for metric, samples in exported.items() if samples & read}
    assert {metric for metric in exported if metric.startswith("ratoon_")} - shown == UNUSED.keys()


def test_the_dashboard_can_be_provisioned() -> None:
    """It has an id of its own, asks for its data source, has the rows in order, and no two panels lie on each other."""
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    assert (board["uid"], board["templating"]["list"][0]["type"]) == ("ratoon-serving", "datasource")
    assert [panel["title"] for panel in board["panels"] if panel["type"] == "row"] == [
        "Freshness ladder",
        "Traffic and latency by stage",
        "Releases",
        "Index health",
        "Pressure",
        "Events and exposures",
    ]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
        for target in panel.get("targets", []):
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


PROMTOOL = shutil.which("promtool")
tool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: the Debian package `prometheus` has it")


def promtool(*words: str | Path) -> str:
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@tool
def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    """Prometheus's own tool finds nothing wrong with either."""
    promtool("check", "config", PROMETHEUS / "prometheus.yml")
    assert "rules found" in promtool("check", "rules", PROMETHEUS / "alerts.yml", PROMETHEUS / "recording.yml")


@tool
def test_prometheus_understands_the_dashboard(tmp_path: Path) -> None:
    """Every query of the dashboard is PromQL, with Grafana's variables filled in."""
    filled = {"$__rate_interval": "5m", "$__range": "6h", "$instance": ".*", "$surface": ".*"}
    expressions = [query for where, query in queries() if where.startswith(("panel", "annotation"))]
    for variable, value in filled.items():
        expressions = [query.replace(variable, value) for query in expressions]
    asked = [{"record": f"panel:query:{place}", "expr": query} for place, query in enumerate(expressions)]
    (tmp_path / "asked.yml").write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": asked}]}), encoding="utf-8")
    assert f"{len(asked)} rules found" in promtool("check", "rules", tmp_path / "asked.yml")


@tool
def test_every_alert_fires_when_it_should_and_not_before() -> None:
    """Prometheus runs each alert over a series on which it is quiet and then fires, with its labels, summary and page."""
    told = PROMETHEUS / "tests" / "alerts.yml"
    cases = [case for test in yaml.safe_load(told.read_text(encoding="utf-8"))["tests"] for case in test["alert_rule_test"]]
    for fires in (True, False):
        assert {case["alertname"] for case in cases if bool(case["exp_alerts"]) is fires} == {alert["alert"] for alert in ALERTS}
    assert "SUCCESS" in promtool("test", "rules", told)


@tool
def test_prometheus_takes_what_a_server_exports(tmp_path: Path) -> None:
    """The whole text passes Prometheus's linter of metrics."""
    world = World.at(tmp_path)
    metrics = Metrics()
    metrics.retrieved("default", "tower", 1, {"total": 0.1})
    metrics.answered("GET", "/healthz", 200, 0.1)
    text = metrics.text(world.rooms)
    world.log.close()
    done = subprocess.run([str(PROMTOOL), "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
