"""A run as one page: what was decided and why, what it learnt, how it was judged, what it cost, and what came before it."""

import math
from collections.abc import Sequence
from html import escape

from ratoon.domain.drift import Drift, DriftPolicy
from ratoon.domain.gate import Comparison, Verdict
from ratoon.domain.lifecycle import life
from ratoon.domain.plan import DEFAULT
from ratoon.domain.quality import Truth
from ratoon.domain.report import Outcome, RefreshReport, Run
from ratoon.pictures.cells import bar, interval, size
from ratoon.pictures.chain import chain
from ratoon.pictures.lifecycle import began, curve, spending
from ratoon.pictures.lines import chart
from ratoon.pictures.sheet import section, sheet, table
from ratoon.pictures.upkeep import upkeep

COLOURS: dict[Outcome, str] = {
    "published": "good",
    "tried": "good",
    "rehearsed": "wait",
    "refused": "bad",
    "held": "wait",
    "skipped": "soft",
}

SLICES = {
    "old": "all over the past",
    "taste": "past, by the towers alone",
    "weights": "past, old against new weights of popularity",
}
"""How slices are called, if not by their own names."""

FEW = 5
"""Passes that are named in words; of more, only the numbers fit."""

SHOWN = 10
"""The inputs whose drift is seen at once; the others unfold."""


def run_page(run: Run, runs: Sequence[Run], limit: float = DEFAULT.fallen) -> str:
    """The whole page.

    Args:
        runs: all that are kept of the surface, in any order; the ones before `run` make the line that it stands in.
        limit: the share of recall whose loss the surface's plan does something about.
    """
    report = run.report
    aged = life(report.surface, [one for one in runs if one.number <= run.number], (), limit)
    parts = [
        *([section("twelve", f"Upkeep: {escape(report.upkeep.operation)}", upkeep(report.upkeep))] if report.upkeep else ()),
        section("seven", f"Gate: recall@{report.gate.k} on held-out rows", _gate(run)),
        section("five", "Loss after each pass", _losses(report)),
        section("twelve", "What the release before it was worth on the window, before anything learnt it", _truth(report.truth)),
        section("four", "Stages", _stages(report)),
        section("four", "Drift of the inputs: PSI beyond chance", _drift(report.drift, report.gate.drift)),
        section("four", "Files of the release", _files(run)),
        section("twelve", f"The line of releases: recall@{report.gate.k} of each when it was judged", chain(run, runs)),
        *([section("twelve", f"Life since {began(aged)}", curve(aged) + spending(aged))] if aged.points else ()),
    ]
    title = f"Run {run.number} of {report.surface}: {report.outcome}"
    return sheet(title, f"{_head(run)}{_facts(run)}<main>{''.join(parts)}</main>")


def _head(run: Run) -> str:
    report = run.report
    current = f"release {report.sequence}" if report.sequence else "nothing"
    said = {
        "published": f"Published: {current}",
        "refused": f"Refused: {current} stays",
        "skipped": f"Skipped: {current} stays",
        "tried": f"On trial beside {current}",
        "rehearsed": f"Only tried out: {current} stays",
        "held": f"On hold: {current} stays",
    }[report.outcome]
    reasons = report.verdict.reasons if report.verdict else ()
    listed = f"<ul>{''.join(f'<li>{escape(reason)}</li>' for reason in reasons)}</ul>"
    return (
        f'<header class="{COLOURS[report.outcome]}"><p class="soft small">Surface {escape(report.surface)} · run {run.number}'
        f" · {run.finished:%Y-%m-%d %H:%M:%S} UTC</p><h1>{escape(said)}</h1>"
        f"<p><b>{report.plan.scope}</b>: {escape(report.plan.reason)}</p>{listed if reasons else ''}</header>"
    )


def _facts(run: Run) -> str:
    report, window = run.report, run.report.window
    before = report.sequence - 1 if report.outcome == "published" else report.sequence
    seconds = sum(stage.seconds for stage in report.stages)
    facts = [
        ("Release", *_named(report.sequence, report.release)),
        ("Parent", *_named(before, run.parent)),
        ("Window", "none", "nothing was looked at"),
        ("Time", f"{seconds:.2f} s", f"{report.cpu_seconds:.2f} CPU seconds"),
        ("Size", size(sum(run.files.values())), f"{len(run.files)} files") if run.files else ("Size", "–", "none was published"),
        ("Index recall", "–", "not judged"),
    ]
    if window:
        events = f"{window.start + 1:,} – {window.end:,}" if window.end > window.start else "no new events"
        left_out = f", {len(window.left_out)} ranges left out" if window.left_out else ""
        facts[2] = ("Window", events, f"up to {window.as_of:%Y-%m-%d %H:%M} UTC{left_out}")
    if report.verdict:
        facts[5] = ("Index recall", f"{report.verdict.index_recall:.4f}", f"{report.gate.index_recall:g} is asked")
    cells = [
        f'<div><dt>{name}</dt><dd class="main">{escape(value)}</dd><dd class="soft small">{escape(more)}</dd></div>'
        for name, value, more in facts
    ]
    return f"<dl>{''.join(cells)}</dl>"


def _named(sequence: int, identity: str) -> tuple[str, str]:
    return (str(sequence), identity[:12]) if identity else ("none", "there was none")


def _gate(run: Run) -> str:
    report = run.report
    if report.verdict is None:
        return _nothing("Nothing was judged.")
    reach = _reach(report.verdict)
    slices = {
        **{SLICES.get(name, name): one for name, one in report.verdict.slices.items()},
        **{f"new and past, against {name}": one for name, one in report.verdict.rivals.items()},
        **{f"new, {share} of the old vectors left": one for share, one in report.verdict.skew.items()},
    }
    rows = [[escape(name), *_compared(one, reach)] for name, one in slices.items()]
    heads = ["slice", "rows", "parent", "candidate", "difference", "95 % interval", "from", "to"]
    limit = f"a certain loss beyond {100 * report.gate.tolerance:g} % of the parent's recall is refused"
    told = (
        f"Right of the middle is better; {limit}." if run.parent else "There was no parent: the candidate stands beside itself."
    )
    return table(heads, rows) + f'<p class="soft small">{told}</p>'


def _compared(one: Comparison, reach: float) -> list[str]:
    if not one.rows:
        return ["0", *["–"] * 3, "", "", ""]
    recalls = [f"{one.rows:,}", f"{one.parent:.4f}", f"{one.candidate:.4f}", f"{one.difference:+.4f}"]
    return [*recalls, interval(one.low, one.difference, one.high, reach), f"{one.low:+.4f}", f"{one.high:+.4f}"]


def _reach(verdict: Verdict) -> float:
    every = (*verdict.slices.values(), *verdict.skew.values(), *verdict.rivals.values())
    return max((abs(end) for one in every for end in (one.low, one.difference, one.high)), default=0.0) or 1.0


def _truth(truth: Truth | None) -> str:
    if truth is None:
        return _nothing("There was no release before it.")
    rows = [
        [escape(name), f"{one.rows:,}", f"{one.recall:.4f}", f"{one.low:.4f} – {one.high:.4f}", f"{one.ndcg:.4f}"]
        for name, one in truth.slices.items()
    ]
    heads = ["interactions", "rows", f"recall@{truth.k}", "95 % interval", f"NDCG@{truth.k}"]
    offered = f"{truth.coverage:.1%} of its items were offered at all; answers were spread over {truth.effective:,.0f} of them."
    return table(heads, rows) + f'<p class="soft small">{offered}</p>'


def _losses(report: RefreshReport) -> str:
    curves = {name: report.losses[name] for name in ("train", "fit") if report.losses.get(name)}
    if not curves:
        return _nothing("Nothing was learnt.")
    passes = max(map(len, curves.values()))
    last = ", ".join(f"{name} {curve[-1]:.4f}" for name, curve in curves.items())
    if gains := report.losses.get("gain"):
        last += "; gain of the fit rows after each pass " + ", ".join(f"{gain:.4f}" for gain in gains)
    if passes == 1:
        return f'<p>{last}</p><p class="soft small">One pass: a point, not a curve.</p>'
    labels = [f"pass {number}" for number in range(1, passes + 1)] if passes <= FEW else [str(at) for at in range(1, passes + 1)]
    return chart("Loss after each pass", labels, curves, width=440, height=170) + f'<p class="soft small">Last: {last}.</p>'


def _stages(report: RefreshReport) -> str:
    longest = max((stage.seconds for stage in report.stages), default=0.0) or 1.0
    rows = [
        [
            escape(stage.name),
            bar(stage.seconds / longest),
            f"{stage.seconds:.2f}",
            f"{stage.cpu_seconds:.2f}",
            f"{stage.rows:,}" if stage.rows else "",
        ]
        for stage in report.stages
    ]
    return table(["stage", "", "seconds", "CPU", "rows"], rows) if rows else _nothing("No stage was begun.")


def _drift(drifts: Sequence[Drift], policy: DriftPolicy) -> str:
    if not drifts:
        return _nothing("Nothing to compare: no parent, or no new interactions.")
    limits = {"said": policy.warn, "learnt anew": policy.full, "refused": policy.refuse}
    top = 1.05 * max(*limits.values(), *(one.excess for one in drifts)) or 1.0

    def share(psi: float) -> float:
        return math.sqrt(psi / top)

    beyond = set(policy.beyond(policy.warn, drifts))
    marks = [share(limit) for limit in limits.values()]
    rows = [
        [escape(one.feature), bar(share(one.excess), over=one in beyond, limits=marks), f"{one.excess:.3f}", f"{one.rows:,}"]
        for one in sorted(drifts, key=lambda one: (-one.excess, one.feature))
    ]
    heads = ["input", "", "PSI", "rows"]
    more = f"<details><summary>{len(rows) - SHOWN} more</summary>{table(heads, rows[SHOWN:])}</details>"
    told = ", ".join(f"{word} beyond {limit:g}" for word, limit in limits.items())
    note = f'<p class="soft small">Lines: {told}. Square-root scale; red with at least {policy.least} users or items.</p>'
    return table(heads, rows[:SHOWN]) + (more if len(rows) > SHOWN else "") + note


def _files(run: Run) -> str:
    if not run.files:
        return _nothing("None was published.")
    largest = max(run.files.values()) or 1
    rows = [
        [escape(name), bar(count / largest), f'<span title="{count:,} bytes">{size(count)}</span>']
        for name, count in sorted(run.files.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
    return table(["file", "", "size"], rows)


def _nothing(why: str) -> str:
    return f'<p class="soft">{escape(why)}</p>'
