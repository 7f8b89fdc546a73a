"""What every page shares: one style for light, dark and paper, and a policy by which a browser fetches nothing."""

from html import escape

STYLE = """
:root { font-size: 87.5%; color-scheme: light dark;
  --paper: #fff; --ink: #1d2127; --soft: #5f6772; --line: #e3e6ea; --fill: #f6f7f9;
  --s1: #2563b8; --s2: #b9671c; --s3: #2f7d55; --s4: #7d55b0; --good: #2f7d55; --bad: #b3372f; --wait: #96690f; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --ink: #e4e7eb; --soft: #9aa3ae; --line: #2c3138;
  --fill: #1c2026; --s1: #78a9ee; --s2: #e0a067; --s3: #74c29a; --s4: #b79be0; --good: #74c29a; --bad: #ef8d84;
  --wait: #d9b45f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.75rem 2rem; max-width: 82rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.4 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
h1 { margin: 0; font-size: 1.65rem; line-height: 1.2; font-weight: 650; letter-spacing: -.01em; }
main { margin-top: 1.25rem; } h2 { margin: 0 0 .5rem; font-size: .95rem; font-weight: 650; }
p, ul { margin: .35rem 0 0; }
ul { padding-left: 1.1rem; }
.soft, caption, figcaption { color: var(--soft); font-weight: 400; }
.small { font-size: .85rem; }
.good { color: var(--good); } .bad { color: var(--bad); } .wait { color: var(--wait); }
header { padding-left: .9rem; border-left: 4px solid currentColor; }
header > * { color: var(--ink); } header > .soft { color: var(--soft); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 1px; margin: 1.25rem 0;
  border: 1px solid var(--line); border-radius: 8px; overflow: hidden; background: var(--line); }
dl > div { padding: .6rem .9rem; background: var(--fill); }
dt { color: var(--soft); font-size: .85rem; }
dd { margin: 0; overflow-wrap: anywhere; } dd.main { font-size: 1.2rem; font-weight: 600; }
main { display: grid; grid-template-columns: repeat(12, minmax(0, 1fr)); gap: 1.25rem 2rem; }
section { grid-column: span 12; min-width: 0; overflow-x: auto; padding-top: .75rem; border-top: 1px solid var(--line); }
@media (min-width: 60rem) { .four { grid-column: span 4; } .five { grid-column: span 5; } .six { grid-column: span 6; }
  .seven { grid-column: span 7; } }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .14rem 0 .14rem .9rem; text-align: right; white-space: nowrap; }
th { color: var(--soft); font-weight: 400; font-size: .85rem; }
th:first-child, td:first-child { padding-left: 0; min-width: 5.8rem; text-align: left; white-space: normal;
  overflow-wrap: anywhere; }
.drawn { width: 22%; } td.drawn { padding-top: 0; padding-bottom: 0; } th.drawn { text-align: center; }
summary { margin-top: .35rem; cursor: pointer; color: var(--soft); font-size: .85rem; }
svg { display: block; width: 100%; }
svg.cell { height: 1.5rem; overflow: visible; } svg.chart { height: auto; min-width: 26rem; overflow: visible; }
svg text { fill: var(--soft); font-size: 12px; } svg text.name { font-weight: 600; }
.grid { stroke: var(--line); } .axis { stroke: var(--soft); } .limit { stroke: var(--bad); stroke-dasharray: 3 2; }
.bar { fill: var(--s1); } .bar.over { fill: var(--bad); } .bar.back { fill: var(--line); }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.s0 { stroke: var(--soft); } .s1 { stroke: var(--s1); } .s2 { stroke: var(--s2); } .s3 { stroke: var(--s3); }
.s4 { stroke: var(--s4); } .strong { stroke-width: 3; }
.d0 { fill: var(--soft); } .d1 { fill: var(--s1); } .d2 { fill: var(--s2); } .d3 { fill: var(--s3); } .d4 { fill: var(--s4); }
svg text.d0 { fill: var(--soft); } svg text.d1 { fill: var(--s1); } svg text.d2 { fill: var(--s2); }
svg text.d3 { fill: var(--s3); } svg text.d4 { fill: var(--s4); }
.span { stroke: var(--soft); stroke-width: 3; } .span.up { stroke: var(--good); } .span.down { stroke: var(--bad); }
.point { stroke: var(--ink); stroke-width: 3; }
@page { size: A4 landscape; margin: 10mm; }
@media print { :root { font-size: 10.5px; color-scheme: light;
  --paper: #fff; --ink: #000; --soft: #4a5059; --line: #d5d9de; --fill: #fff;
  --s1: #2563b8; --s2: #b9671c; --s3: #2f7d55; --s4: #7d55b0; --good: #2f7d55; --bad: #b3372f; --wait: #96690f; }
  body { padding: 0; max-width: none; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  section { break-inside: avoid; overflow: visible; }
  .four { grid-column: span 4; } .five { grid-column: span 5; } .six { grid-column: span 6; } .seven { grid-column: span 7; } }
"""


def sheet(title: str, body: str) -> str:
    """A page, well-formed as XML is.

    Args:
        title: plain text.
        body: markup.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>"
        '<meta name="viewport" content="width=device-width"/>'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>{body}</body></html>\n"
    )


def section(width: str, title: str, body: str) -> str:
    """A part of a page's `main`.

    Args:
        width: of its twelve columns: `four`, `five`, `six`, `seven` or `twelve`.
        title: plain text.
        body: markup.
    """
    return f'<section class="{width}"><h2>{escape(title)}</h2>{body}</section>'


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A table; a column with a picture in it is wider than the others.

    Args:
        heads, rows: markup, already escaped; rows as long as `heads`.
    """
    drawn = [' class="drawn"' if any(row[at].startswith("<svg") for row in rows) else "" for at in range(len(heads))]
    first = "".join(f'<th scope="col"{kind}>{head}</th>' for kind, head in zip(drawn, heads, strict=True))
    rest = ("".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(drawn, row, strict=True)) for row in rows)
    body = "".join(f"<tr>{row}</tr>" for row in rest)
    return f"<table><thead><tr>{first}</tr></thead><tbody>{body}</tbody></table>"
