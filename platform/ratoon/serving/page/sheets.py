"""The page as a document, and the one that asks for a key first."""

from html import escape
from importlib.resources import files
from string import Template
from urllib.parse import quote

from ratoon.serving.page.assets import ICON, SCRIPT, STYLE
from ratoon.serving.page.figures import Figures
from ratoon.serving.page.panels import panels, served

BOX = Template((files(__package__) / "box.html").read_text(encoding="utf-8"))
LINKS = (("docs", "API"), ("metrics", "Metrics"))


def home(known: Figures, *, signed_in: bool) -> str:
    """The page of a surface.

    Args:
        signed_in: whether there is a key to forget.
    """
    out = '<form method="post" action="/sign-out"><button class="plain">Sign out</button></form>' if signed_in else ""
    links = "".join(f'<a href="/{path}">{name}</a>' for path, name in LINKS)
    body = (
        f'<header class="top"><a class="brand" href="/">{_mark()}<span>Ratoon</span></a>{_surfaces(known)}'
        f'<nav aria-label="More">{links}{out}</nav></header>'
        f'<main><h1 class="unseen">What is served on {escape(known.surface)}</h1>'
        f'<div id="now" class="live">{served(known)}</div>{_box(known)}'
        f'<div id="figures" class="live">{panels(known)}</div></main>'
    )
    return _document("Ratoon", body, script=True)


def sign_in(*, wrong: bool) -> str:
    """The page that asks for a key; it knows nothing of what is served.

    Args:
        wrong: whether a key was given that is not good.
    """
    said = '<p class="bad" role="alert" id="wrong">This key is not good: unknown, revoked or expired.</p>' if wrong else ""
    about = ' aria-describedby="wrong" aria-invalid="true"' if wrong else ""
    body = (
        f'<main class="gate"><form method="post" action="/sign-in" class="card">{_mark()}<h1>Ratoon asks for a key</h1>'
        f'<p class="soft"><code>ratoon keys create</code> makes one; <code>read</code> is enough to look around.</p>{said}'
        '<label for="key">API key</label><input id="key" name="key" type="password" required maxlength="512" '
        f'autocomplete="current-password" autofocus{about}>'
        '<button class="strong">Sign in</button></form></main>'
    )
    return _document("Ratoon: sign in", body, script=False)


def _document(title: str, body: str, *, script: bool) -> str:
    run = f'<script src="{SCRIPT.path}" defer></script>' if script else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f'<title>{escape(title)}</title><link rel="icon" href="{ICON.path}" type="image/svg+xml">'
        f'<link rel="stylesheet" href="{STYLE.path}">{run}</head><body>{body}</body></html>\n'
    )


def _mark() -> str:
    return f'<img class="mark" src="{ICON.path}" alt="" width="28" height="28">'


def _surfaces(known: Figures) -> str:
    if len(known.surfaces) == 1:
        return ""
    links = "".join(_link(name, here=name == known.surface) for name in known.surfaces)
    return f'<nav class="surfaces" aria-label="Surfaces">{links}</nav>'


def _link(surface: str, *, here: bool) -> str:
    current = ' aria-current="page"' if here else ""
    return f'<a href="/?surface={quote(surface, safe="")}"{current}>{escape(surface)}</a>'


def _box(known: Figures) -> str:
    """What the script works on; without a release there is nothing to ask."""
    return BOX.substitute(surface=escape(known.surface)) if known.release is not None else ""
