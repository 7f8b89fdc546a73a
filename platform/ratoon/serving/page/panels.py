"""The parts of the page that show figures, as markup."""

from collections.abc import Mapping
from html import escape

from ratoon.serving.page.charts import histogram, rung, scale
from ratoon.serving.page.figures import Figures
from ratoon.serving.page.timeline import timeline
from ratoon.serving.page.words import ago, moment, span

RUNGS = (
    ("event_to_online", "Online", "a user's features know the event"),
    ("event_to_trained", "Trained", "a release has learnt from it"),
    ("event_to_indexed", "Indexed", "a posted item can be retrieved"),
    ("event_to_served", "Served", "the release that learnt it answers"),
)
STEPS = (("features", "Features"), ("embed", "User tower"), ("search", "Search"), ("filter", "Filter"), ("render", "Answer"))
ASKED = 0.95
"""Recall of searches below which the figure is marked."""

SAID = {
    "kind": "Layout",
    "lists": "Lists",
    "nprobe": "Lists looked at",
    "largest": "Largest list / mean",
    "copies": "Copies in memory",
    "device": "Device",
    "over": "Items beside the file",
    "gone": "Gone from the file",
}
"""What an index may say of itself -> how it is called here."""


def panels(known: Figures) -> str:
    """How fresh it is, how fast, how the index is, and how it came to be."""
    return (
        f'<div class="grid">{_part("fresh", "Freshness", _ladder(known), "from a posted event to its effect")}'
        f"{_part('latency', 'Latency', _latency(known), 'of retrievals, inside the server')}"
        f"{_part('index', 'Index', _index(known))}"
        f"{_part('releases', 'Releases', timeline(known), 'right of the middle is better than the release before')}</div>"
    )


def _part(name: str, title: str, body: str, about: str = "") -> str:
    more = f' <small class="soft">{escape(about)}</small>' if about else ""
    head = f'<h2 id="{name}-title">{escape(title)}{more}</h2>'
    return f'<section class="card {name}" aria-labelledby="{name}-title">{head}{body}</section>'


def served(known: Figures) -> str:
    """What is served now."""
    release = known.release
    if release is None:
        return '<p class="notice wait">Nothing is served yet. Make the first release: <code>ratoon bootstrap</code></p>'
    waiting = known.events - release.window.end
    state = ("wait", "adopting") if known.adopting else ("wait", "on hold") if known.held else ("good", "serving")
    cells = [
        (
            "Release",
            f'{release.sequence} <span class="pill {state[0]}">{state[1]}</span>',
            f"<code>{escape(release.id[:12])}</code> · {escape(release.scope)}",
        ),
        ("Learnt up to", escape(ago(release.window.as_of, known.now)), moment(release.window.as_of)),
        ("Not learnt yet", f"{waiting:,}", f"of {known.events:,} events"),
        ("Items", f"{known.items:,}", f"{release.dim} dimensions, {escape(release.metric)}"),
    ]
    told = "".join(
        f'<div><dt>{name}</dt><dd class="main">{value}</dd><dd class="soft">{more}</dd></div>' for name, value, more in cells
    )
    held = (
        f'<p class="notice wait">Refreshing is on hold: {escape(known.held)}. <code>ratoon resume</code> lets it go on.</p>'
        if known.held
        else ""
    )
    return f'<dl class="served">{told}</dl>{held}'


def _ladder(known: Figures) -> str:
    rows = []
    for tier, name, about in RUNGS:
        one = known.fresh[tier]
        figures = (
            f"<td><b>{span(one.p50)}</b></td><td>{span(one.p95)}</td>"
            if one.count
            else '<td colspan="2" class="soft">none yet</td>'
        )
        rows.append(
            f'<tr><th scope="row">{name}<small class="soft">{about}</small></th><td class="drawn">{rung(one)}</td>{figures}</tr>'
        )
    drawn = f'<th scope="col">Event →</th><th scope="col" class="drawn">{scale()}</th>'
    head = f'<tr>{drawn}<th scope="col">p50</th><th scope="col">p95</th></tr>'
    return f'<table class="ladder"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>'


def _latency(known: Figures) -> str:
    total = known.stages["total"]
    if not total.count:
        return '<p class="soft">Nobody has asked yet.</p>'
    said: Mapping[str, float | None] = {"p50": total.p50, "p95": total.p95, "p99": total.p99}
    heads = "".join(f"<div><dt>{name}</dt><dd>{span(value)}</dd></div>" for name, value in said.items())
    count = f"<div><dt>answered</dt><dd>{total.count:,}</dd></div>"
    rows = "".join(
        f'<tr><th scope="row">{name}</th><td><b>{span(one.p50)}</b></td><td>{span(one.p95)}</td></tr>'
        for stage, name in STEPS
        if (one := known.stages[stage]).count
    )
    head = '<tr><th scope="col">Stage</th><th scope="col">p50</th><th scope="col">p95</th></tr>'
    table = f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"
    return f'<dl class="marks">{heads}{count}</dl>{histogram(total, said)}{table}'


def _index(known: Figures) -> str:
    if known.release is None:
        return '<p class="soft">There is none yet.</p>'
    recall = known.recall
    if recall is None:
        said = '<dd class="soft">nobody asked lately</dd>'
    else:
        colour = "good" if recall >= ASKED else "bad"
        said = f'<dd class="{colour}">{recall:.4f}</dd>'
    rows = [f"<div><dt>Recall</dt>{said}</div>", f"<div><dt>Items</dt><dd>{known.items:,}</dd></div>"]
    rows += [
        f"<div><dt>{name}</dt><dd>{escape(_value(known.index[key]))}</dd></div>"
        for key, name in SAID.items()
        if known.index.get(key) is not None
    ]
    return f'<dl class="facts">{"".join(rows)}</dl>'


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
