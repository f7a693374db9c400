"""The middleware in front of everything: pages, websockets, chat, API and uploads. It asks first for which
name and from which site a request comes, then who sends it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from app.access.attempts import Attempts
from app.access.hosts import is_same_origin
from app.access.login import login_page, logout_page, read_form, read_place
from app.access.settings import Access
from app.shell.font import font_address

COOKIE = "memfactory_session"
"""The session cookie's name, before the port: browsers share cookies between the ports of one machine."""
LOOKED_AT = 2.0
"""Seconds after which an open websocket is asked again whether its session still lasts."""
HEALTH = "/api/health"


class Gate:
    """Refuses requests for other names and from other sites; asks for the password where there is one."""

    def __init__(self, app: Any, access: Access) -> None:
        self.app = app
        self.access = access
        self.attempts = Attempts()
        self.open_to_all = {HEALTH, font_address()}

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """One request or websocket of the ASGI protocol."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        token = connection.cookies.get(cookie_name(connection), "")
        if problem := self._foreign(connection):
            await _refuse(PlainTextResponse(problem, 403), scope, receive, send)
        elif self.access.password is None:
            await self.app(scope, receive, send)
        elif scope["type"] == "http" and connection.url.path in ("/login", "/logout"):
            answer = await self._log_in_or_out(Request(scope, receive), token)
            await answer(scope, receive, send)
        elif self.access.sessions.is_open(token):
            if scope["type"] == "websocket":
                await self._while_open(token, scope, receive, send)
            else:
                await self.app(scope, receive, send)
        elif scope["type"] == "http" and _reads(scope) and scope["path"] in self.open_to_all:
            await self.app(scope, receive, send)
        else:
            await _refuse(_ask_to_log_in(connection), scope, receive, send)

    def _foreign(self, connection: HTTPConnection) -> str:
        """Why a request is not for this lab or not from its own pages; "" where it is."""
        headers = connection.headers
        hosts = headers.getlist("host")
        forwarded = [
            name.strip() for line in headers.getlist("x-forwarded-host") for name in line.split(",")
        ]
        for host in [*hosts, *forwarded]:
            if not self.access.hosts.allows(host):
                return (
                    f"This lab does not answer to the name {host[:100]!r}. If it is yours, start the lab with "
                    "--allow-host and the name, or set MEMFACTORY_HOSTS.\n"
                )
        if len(hosts) != 1:
            return "A request must name one host.\n"
        if not all(is_same_origin(origin, hosts[0]) for origin in headers.getlist("origin")):
            return (
                "A page of another site sent this request; the lab takes them from its own pages only. Behind "
                "a proxy, let it pass on the Host header as it came (docs/security.md).\n"
            )
        if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            followed = (
                connection.scope["type"] == "http"
                and _reads(connection.scope)
                and headers.get("sec-fetch-mode", "navigate") == "navigate"
                and headers.get("sec-fetch-dest", "document") == "document"
            )
            if not followed:
                return (
                    "A page of another site sent this request; it may link to the lab, no more.\n"
                )
        return ""

    async def _log_in_or_out(self, request: Request, token: str) -> Response:
        path, sessions = request.url.path, self.access.sessions
        if request.method not in ("GET", "HEAD", "POST"):
            return PlainTextResponse("GET or POST\n", 405)
        if path == "/logout":
            if request.method == "POST":
                sessions.end(token)
            elif sessions.is_open(token):
                return logout_page()
            answer: Response = RedirectResponse("/login", 303)
            answer.delete_cookie(cookie_name(request))
            return answer
        if request.method != "POST":
            place = read_place(request.query_params.get("next", "/"))
            return RedirectResponse(place, 303) if sessions.is_open(token) else login_page(place)
        return await self._log_in(request)

    async def _log_in(self, request: Request) -> Response:
        form = await read_form(request)
        if form is None:
            return PlainTextResponse("The form is too large.\n", 413)
        place = read_place(form.get("next", "/"))
        # nothing is awaited from here on: parallel attempts cannot all pass the count before it rises
        address = request.client.host if request.client else ""
        if wait := self.attempts.wait(address):
            answer: Response = login_page(
                place, f"Too many wrong passwords. Try again in {wait} seconds.", 429
            )
            answer.headers["retry-after"] = str(wait)
            return answer
        if not self.access.is_password(form.get("password", "")):
            self.attempts.fail(address)
            logging.getLogger(__name__).warning("a wrong password from %s", address)
            return login_page(place, "That is not the password.", 401)
        self.attempts.succeed(address)
        answer = RedirectResponse(place, 303)
        answer.set_cookie(
            cookie_name(request), self.access.sessions.open(), max_age=self.access.sessions.seconds,
            httponly=True, samesite="lax", secure=_is_encrypted(request),
        )  # fmt: skip
        return answer

    async def _while_open(self, token: str, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """A websocket that is closed once its session has expired or logged out."""
        waiting: asyncio.Future[dict[str, Any]] | None = None
        closed = False

        async def receive_while_open() -> dict[str, Any]:
            nonlocal waiting, closed
            while not closed:
                waiting = waiting or asyncio.ensure_future(receive())
                await asyncio.wait({waiting}, timeout=LOOKED_AT)
                if not self.access.sessions.is_open(token):
                    closed = True
                    with suppress(Exception):  # the other side may have gone at the same moment
                        await send({"type": "websocket.close", "code": 1008})
                elif waiting.done():
                    message, waiting = waiting.result(), None
                    return message
            return {"type": "websocket.disconnect", "code": 1008}

        async def send_while_open(message: dict[str, Any]) -> None:
            if not closed:
                await send(message)

        try:
            await self.app(scope, receive_while_open, send_while_open)
        finally:
            if waiting is not None:
                waiting.cancel()


def cookie_name(connection: HTTPConnection) -> str:
    """The name of the session cookie of this port."""
    server = connection.scope.get("server")
    return f"{COOKIE}_{server[1]}" if server else COOKIE


def _reads(scope: Mapping[str, Any]) -> bool:
    return scope["method"] in ("GET", "HEAD")


def _is_encrypted(request: Request) -> bool:
    """Whether the browser's side speaks TLS, as the proxy in between says."""
    forwarded = request.headers.get("x-forwarded-proto", "").split(",")[0].strip().lower()
    return request.url.scheme == "https" or forwarded == "https"


def _ask_to_log_in(connection: HTTPConnection) -> Response:
    """To a browser that opens a page, the way to the login; to a program, a refusal."""
    scope = connection.scope
    wants_page = "text/html" in connection.headers.get("accept", "")
    if scope["type"] == "http" and _reads(scope) and wants_page:
        query = f"?{connection.url.query}" if connection.url.query else ""
        place = read_place(f"{connection.url.path}{query}")
        return RedirectResponse(f"/login?next={quote(place, safe='/')}", 303)
    return JSONResponse({"detail": "log in at /login first"}, 401)


async def _refuse(answer: Response, scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        # closing before accepting answers the handshake with 403
        await receive()
        await send({"type": "websocket.close", "code": 1008})
    else:
        await answer(scope, receive, send)
