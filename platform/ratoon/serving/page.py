"""The page for people at `/`: what is served, and a box to try it. One file, nothing loaded from elsewhere."""

from html import escape

from ratoon.serving.rooms import Rooms

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Ratoon</title><meta name="viewport" content="width=device-width">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; }}
td, th {{ text-align: left; padding: .2rem .6rem; border-bottom: 1px solid #ccc; }}
code {{ overflow-wrap: anywhere; }}
</style></head><body>
<h1>Ratoon</h1>
<table><tr><th>surface</th><th>number</th><th>release</th><th>learnt up to</th><th>items</th></tr>{surfaces}</table>
<p>{events} events in the log. <a href="docs">API</a> · <a href="metrics">metrics</a> · <a href="readyz">readiness</a></p>
<form id="ask"><label>User <input id="user" required maxlength="256" autofocus></label>
<label>Surface <select id="surface">{options}</select></label> <button>Show 50 items</button></form>
<p id="about" role="status"></p><ol id="found"></ol>
<script>
document.getElementById("ask").addEventListener("submit", async (submitted) => {{
  submitted.preventDefault();
  const about = document.getElementById("about"), found = document.getElementById("found");
  found.replaceChildren();
  const asked = {{ user_id: document.getElementById("user").value, surface: document.getElementById("surface").value, k: 50 }};
  const reply = await fetch("v1/retrieve",
    {{ method: "POST", headers: {{ "Content-Type": "application/json" }}, body: JSON.stringify(asked) }});
  const body = await reply.json();
  about.textContent = reply.ok
    ? `${{body.candidates.length}} items, source ${{body.source}}, release number ${{body.sequence}}` : body.detail;
  for (const candidate of reply.ok ? body.candidates : []) {{
    const line = document.createElement("li"), title = candidate.item.title;
    line.textContent = `${{title ?? candidate.item_id}} (${{candidate.score.toFixed(3)}})`;
    line.title = JSON.stringify(candidate.item);
    found.append(line);
  }}
}});
</script></body></html>
"""


def page(rooms: Rooms) -> str:
    """The page as HTML."""
    names = [escape(name) for name in rooms.surfaces]
    return _PAGE.format(
        surfaces="".join(_row(rooms, name) for name in rooms.surfaces),
        options="".join(f"<option>{name}</option>" for name in names),
        events=rooms.log.end(),
    )


def _row(rooms: Rooms, name: str) -> str:
    slot = rooms.surfaces[name].live.slot
    if slot is None:
        return f"<tr><td>{escape(name)}</td><td colspan=4>no release yet: run <code>ratoon bootstrap</code></td></tr>"
    release = slot.release
    cells = [name, str(release.sequence), release.id[:12], release.window.as_of.isoformat(), str(len(slot.index))]
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
