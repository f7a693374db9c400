"""The pages of logging in and out, whole in themselves: nothing else of the lab is open to a stranger."""

from __future__ import annotations

import base64
import html
import re
from pathlib import Path
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse

from app.shell.font import font_face

LARGEST_FORM = 8192
"""Bytes of a form that are read."""
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; font-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'"
)
STYLE = """
:root { color-scheme: light dark; --ground: #f4f6f6; --card: #ffffff; --ink: #1c2628; --line: #dde3e3;
  --field: #f4f6f6; --teal: #0c7f79; --bad: rgba(214, 62, 62, 0.14); --bad-line: #d63e3e; }
@media (prefers-color-scheme: dark) { :root { --ground: #12181a; --card: #161e20; --ink: #e4eaea;
  --line: #313c3f; --field: #1b2326; --teal: #17958d; --bad: rgba(214, 62, 62, 0.24); } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px;
  background: var(--ground); color: var(--ink);
  font: 15px/1.5 "Source Sans", "Source Sans Pro", system-ui, sans-serif; }
main { width: 100%; max-width: 400px; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; padding: 32px; }
header { display: flex; align-items: center; gap: 12px; margin-bottom: 20px; }
header img { width: 32px; height: 32px; }
h1 { font-size: 1.4rem; font-weight: 650; line-height: 1.2; margin: 0; }
p { margin: 0 0 18px; }
label { display: block; font-size: 0.93rem; margin-bottom: 4px; }
input, button { width: 100%; font: inherit; border-radius: 8px; padding: 8px 12px; }
input { color: inherit; background: var(--field); border: 1px solid var(--line); margin-bottom: 18px; }
button { color: #ffffff; background: #0c7f79; border: 1px solid #0c7f79; font-weight: 600; cursor: pointer; }
button:hover { background: #0a6a65; }
:focus-visible { outline: 3px solid var(--teal); outline-offset: 1px; }
a { color: inherit; }
[role=alert] { border-left: 3px solid var(--bad-line); background: var(--bad); border-radius: 4px; padding: 8px 12px; }
.under { margin: 14px 0 0; text-align: center; }
"""
_PLACE = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]{0,2000}")


def login_page(next_place: str, problem: str = "", status: int = 200) -> HTMLResponse:
    """The page that asks for the password; `next_place` is shown after it."""
    alert = f'<p role="alert">{html.escape(problem)}</p>' if problem else ""
    return _page(
        "Log in",
        f"<p>This lab asks for a password.</p>{alert}"
        '<form method="post" action="/login">'
        f'<input type="hidden" name="next" value="{html.escape(read_place(next_place))}">'
        '<label for="password">Password</label>'
        '<input id="password" name="password" type="password" autocomplete="current-password" '
        "required autofocus>"
        "<button>Log in</button></form>",
        status,
    )


def logout_page() -> HTMLResponse:
    """The page that asks whether to log out: a link of another site alone logs nobody out."""
    return _page(
        "Log out",
        "<p>Runs go on without you.</p>"
        '<form method="post" action="/logout"><button>Log out</button></form>'
        '<p class="under"><a href="/">Back to the lab</a></p>',
    )


def read_place(text: str) -> str:
    """A place of this lab to go on to; the start for anything that could lead to another site."""
    inside = _PLACE.fullmatch(text) and not re.match(r"/log(in|out)\b", text)
    return text if inside else "/"


async def read_form(request: Request) -> dict[str, str] | None:
    """The fields of a form; None where it is larger than a login can be."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_FORM:
            return None
    try:
        fields = parse_qs(body.decode(errors="replace"), max_num_fields=8, keep_blank_values=True)
    except ValueError:  # more fields than that
        return None
    return {name: values[0] for name, values in fields.items()}


def _page(title: str, content: str, status: int = 200) -> HTMLResponse:
    icon = base64.b64encode((Path(__file__).parents[1] / "icon.svg").read_bytes()).decode()
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title} · MemFactory Lab</title>"
        f'<link rel="icon" href="data:image/svg+xml;base64,{icon}">'
        f"<style>{font_face()}{STYLE}</style></head><body><main><header>"
        f'<img src="data:image/svg+xml;base64,{icon}" alt=""><h1>MemFactory Lab</h1></header>'
        f"{content}</main></body></html>",
        status,
        {
            "content-security-policy": POLICY, "cache-control": "no-store",
            # not no-referrer: with it a browser sends the form with `Origin: null`
            "referrer-policy": "same-origin",
        },
    )  # fmt: skip
