"""Access: no other site and no other name reaches the lab, and where it has a password every surface asks for it.
The surfaces are asked over HTTP and websockets at a real server."""

import re
import socket
import time

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from app.access.gate import COOKIE
from app.access.sessions import Sessions
from tests.browser.conftest import Server

PASSWORD = "planted-password-31"
SECRET = b"known to the tests and to the server they start"
LATER = 4_000_000_000
SURFACES = {
    "page": ("GET", "/runs"),
    "page by its file": ("GET", "/static/index.html"),
    "state of the pages": ("GET", "/_stcore/health"),
    "upload to a page": ("PUT", "/_stcore/upload_file/a/b"),
    "chat": ("GET", "/chat/"),
    "chat, settings": ("GET", "/chat/config"),
    "chat, interface": ("GET", "/chat/gradio_api/info"),
    "chat, question": ("POST", "/chat/gradio_api/queue/join"),
    "chat, upload": ("POST", "/chat/gradio_api/upload"),
    "interface": ("GET", "/api/anything"),
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A lab with a password, whose sessions the tests can sign."""
    started = Server(tmp_path_factory.mktemp("access"))
    started.code = (
        "from app.access.settings import Access, Hosts\n"
        "from app.access.sessions import Sessions\n"
        "from app.server import serve\n"
        f"access = Access(Hosts.of('127.0.0.1', ['lab.example']), {PASSWORD!r}, Sessions({SECRET!r}))\n"
        f"serve(port={started.port}, access=access)"
    )
    started.start()
    yield started
    started.kill()


def tokens():
    good = Sessions(SECRET).sign("tester", LATER)
    return {
        "none": None,
        "expired": Sessions(SECRET).sign("tester", int(time.time()) - 1),
        "signed elsewhere": Sessions(b"another secret").sign("tester", LATER),
        "longer life": good.replace(str(LATER), str(LATER + 1)),
        "unsigned": f"tester.{LATER}.",
        "nonsense": "..%00..",
        "good": good,
    }


REFUSED = [name for name in tokens() if name != "good"]


def cookie(lab, token):
    return {"cookie": f"{COOKIE}_{lab.port}={token}"} if token else {}


def ask(lab, surface, **headers):
    method, path = SURFACES[surface]
    content = {"content": b"x"} if method != "GET" else {}
    return send(lab, method, path, headers=headers, **content)


def send(lab, method, path, **options):
    # no certificates are loaded for plain HTTP: that takes a third of a second each time
    return httpx.request(method, f"{lab.url}{path}", timeout=60, verify=False, **options)


def is_told(answer):
    """Whether the gate refused, and not something behind it."""
    return answer.status_code == 403 and re.search("another site|answer to the name", answer.text)


def open_socket(lab, host=None, **options):
    """A websocket of the pages, whatever host its handshake names."""
    raw = socket.create_connection(("127.0.0.1", lab.port))
    return connect(
        f"ws://{host or f'127.0.0.1:{lab.port}'}/_stcore/stream", sock=raw, subprotocols=["streamlit"],
        open_timeout=60, **options,
    )  # fmt: skip


@pytest.mark.parametrize("session", REFUSED)
@pytest.mark.parametrize("surface", SURFACES)
def test_every_surface_asks_for_the_password(lab, surface, session):
    headers = cookie(lab, tokens()[session])
    assert ask(lab, surface, **headers).status_code == 401
    if SURFACES[surface][0] == "GET":
        page = ask(lab, surface, accept="text/html,*/*", **headers)
        assert (page.status_code, page.headers["location"][:12]) == (303, "/login?next=")


@pytest.mark.parametrize("surface", SURFACES)
def test_a_session_opens_every_surface(lab, surface):
    answer = ask(lab, surface, **cookie(lab, tokens()["good"]))
    assert answer.status_code not in (303, 401) and not is_told(answer)
    if SURFACES[surface][0] == "GET":
        assert answer.status_code == 200


@pytest.mark.parametrize("session", REFUSED)
def test_a_websocket_asks_for_the_password(lab, session):
    with pytest.raises(InvalidStatus) as refused:
        open_socket(lab, additional_headers=cookie(lab, tokens()[session]))
    assert refused.value.response.status_code == 403


def test_health_alone_is_open(lab):
    assert send(lab, "GET", "/api/health").json()["status"] == "ok"
    assert send(lab, "POST", "/api/health").status_code == 401
    assert send(lab, "GET", "/api/health/").status_code == 401
    assert send(lab, "GET", "//api/health").status_code == 401


def test_from_login_to_logout_an_open_websocket_included(lab):
    with httpx.Client(base_url=lab.url, timeout=60, verify=False) as client:
        wrong = client.post("/login", data={"password": PASSWORD + " "})
        assert wrong.status_code == 401 and "not the password" in wrong.text
        assert PASSWORD not in wrong.text and not client.cookies
        right = client.post("/login", data={"password": PASSWORD, "next": "/runs?run=a"})
        assert (right.status_code, right.headers["location"]) == (303, "/runs?run=a")
        written = right.headers["set-cookie"]
        assert "HttpOnly" in written and "SameSite=lax" in written and "Secure" not in written
        token = client.cookies[f"{COOKIE}_{lab.port}"]
        assert client.get("/chat/").status_code == 200
        assert client.get("/logout").status_code == 200
        assert client.get("/chat/").status_code == 200, "a link alone logs nobody out"
        with open_socket(lab, additional_headers=cookie(lab, token)) as opened:
            assert client.post("/logout").headers["location"] == "/login"
            with pytest.raises(ConnectionClosed):
                for _ in range(100):
                    opened.recv(timeout=10)
        assert opened.close_code == 1008
        assert not client.cookies
    assert ask(lab, "chat", **cookie(lab, token)).status_code == 401


def test_behind_a_proxy_with_tls_the_cookie_stays_with_tls(lab):
    headers = {"host": "lab.example", "origin": "https://lab.example", "x-forwarded-proto": "https"}
    answer = send(lab, "POST", "/login", data={"password": PASSWORD}, headers=headers)
    assert answer.status_code == 303 and "Secure" in answer.headers["set-cookie"]


FOREIGN = {
    "rebound name": {"host": "evil.example"},
    "rebound name with the port": {"host": "evil.example:{port}"},
    "name that begins alike": {"host": "localhost.evil.example"},
    "name in front": {"host": "localhost@evil.example"},
    "forwarded name": {"x-forwarded-host": "evil.example"},
    "other site": {"origin": "https://evil.example"},
    "other program of this machine": {"origin": "http://127.0.0.1:1"},
    "sandboxed page": {"origin": "null"},
    "other site, told by the browser": {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
    "other port, told by the browser": {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
    "frame of another site": {
        "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe",
    },
}  # fmt: skip


@pytest.mark.parametrize("trick", FOREIGN)
@pytest.mark.parametrize("surface", SURFACES)
def test_other_sites_are_refused_on_every_surface(lab, surface, trick):
    headers = {name: value.format(port=lab.port) for name, value in FOREIGN[trick].items()}
    answer = ask(lab, surface, **cookie(lab, tokens()["good"]), **headers)
    assert is_told(answer)
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("trick", [name for name in FOREIGN if name != "name in front"])
def test_websockets_of_other_sites_are_refused(lab, trick):
    headers = {name: value.format(port=lab.port) for name, value in FOREIGN[trick].items()}
    headers |= cookie(lab, tokens()["good"])
    with pytest.raises(InvalidStatus) as refused:
        open_socket(lab, headers.pop("host", None), additional_headers=headers)
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "lab.example"])
def test_its_own_pages_reach_the_lab(lab, host):
    host = host.format(port=lab.port)
    headers = {"origin": f"http://{host}"} | cookie(lab, tokens()["good"])
    with open_socket(lab, host, additional_headers=headers) as opened:
        assert opened.subprotocol == "streamlit"
    answer = ask(lab, "chat, upload", host=host, **headers)
    assert answer.status_code not in (401, 403)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_a_link_may_come_from_elsewhere(lab, method):
    link = {
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "document",
    }
    signed = cookie(lab, tokens()["good"])
    assert ask(lab, "page", **link, **signed).status_code == 200
    answer = send(lab, method, "/runs", headers=link | signed)
    assert is_told(answer)
    login = send(lab, "POST", "/login", data={"password": PASSWORD}, headers=link)
    assert is_told(login)
