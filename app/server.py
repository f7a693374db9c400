"""One ASGI app on one port: the lab's own routes, the Gradio chat at /chat/, Streamlit at /."""

from __future__ import annotations

import os
import socket
from typing import Any

from app.access.settings import Access, read_access
from memfactory_core import __version__
from memfactory_core.errors import RunError

# before torch is imported: OpenMP's default spin-wait costs a factor of 25 where processes share cores
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
HEADERS = [
    (b"content-security-policy", b"frame-ancestors 'self'"),
    (b"x-content-type-options", b"nosniff"),
]
"""Only the lab's own pages may show the chat in a frame."""


class Headers:
    """Adds the lab's headers to every HTTP response, streamed ones too."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """One request of the ASGI protocol."""

        async def send_with_headers(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *HEADERS]}
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


BASE = b'<script>window.__streamlit = {BACKEND_BASE_URL: window.location.origin + "/"};</script>'
ASKED_FOR_BYTES = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")
"""Headers that would have the page packed, cut or left out."""


class Base:
    """Tells Streamlit's page where its server is. It would look for it under the page's own address first, and leave
    two errors (404) in the browser's console for each link that is opened cold."""

    def __init__(self, app: Any, paths: frozenset[str]) -> None:
        self.app = app
        self.paths = paths

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """One request of the ASGI protocol; only pages are changed."""
        asked = scope["type"] == "http" and scope["method"] == "GET"
        if not asked or scope["path"].strip("/") not in self.paths:
            await self.app(scope, receive, send)
            return
        kept = [header for header in scope["headers"] if header[0] not in ASKED_FOR_BYTES]
        start: dict[str, Any] = {}
        body = bytearray()

        async def send_with_base(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            headers = [header for header in start["headers"] if header[0] != b"content-length"]
            whole = bytes(body).replace(b"<head>", b"<head>" + BASE, 1)
            length = [(b"content-length", str(len(whole)).encode())]
            await send({**start, "headers": headers + length})
            await send({"type": "http.response.body", "body": whole})

        await self.app({**scope, "headers": kept}, receive, send_with_base)


def build(access: Access) -> Any:
    """The whole lab as one ASGI application, the gate in front of all of it. Streamlit answers every path
    that nothing else answers, so it is mounted last."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import RedirectResponse
    from streamlit.starlette import App

    from app.access.gate import Gate
    from app.chat.blocks import mount
    from app.shell.pages import PAGES, ROOT, address_of, other_addresses

    pages = App(ROOT / "app" / "main.py")
    api = FastAPI(lifespan=pages.lifespan(), docs_url=None, redoc_url=None, openapi_url=None)

    paths = frozenset(["", *map(address_of, PAGES)])
    api.add_middleware(Base, paths=paths)
    api.add_middleware(Gate, access=access)
    api.add_middleware(Headers)  # the last one added is the outermost

    @api.get("/api/health")
    def _health() -> dict[str, str]:
        return {"status": "ok", "version": __version__}

    known = other_addresses()

    def lead(request: Request) -> RedirectResponse:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"/{known[request.url.path.strip('/')]}{query}")

    for name in known:
        api.add_route(f"/{name}", lead)
    mount(api, "/chat")
    api.mount("/", pages)
    return api


def check_port(host: str, port: int) -> None:
    """RunError where the port cannot be had."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise RunError(
                f"port {port} is in use or not allowed on {host} ({error.strerror}): use --port "
                "with another number"
            ) from error


def serve(host: str = "127.0.0.1", port: int = 8501, access: Access | None = None) -> None:
    """Runs the lab until it is interrupted. RunError where the port is in use, ConfigError where others
    could reach the address and there is no password."""
    access = access or read_access(host)
    check_port(host, port)
    import uvicorn

    print(f"MemFactory Lab: http://{host}:{port}", flush=True)
    uvicorn.run(build(access), host=host, port=port, log_level="warning")
