"""Access by its parts: attempts, sessions, names, origins, and the settings that a lab is started with."""

import os
import socket
import stat
import subprocess
import sys

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from app.access.attempts import ALLOWED, WAIT, Attempts
from app.access.gate import Gate
from app.access.hosts import Hosts, is_loopback, is_same_origin
from app.access.login import read_place
from app.access.sessions import Sessions
from app.access.settings import Access, read_access
from memfactory_core.errors import ConfigError
from tests.app.test_access import PASSWORD


def small_lab(access, address="10.0.0.1"):
    """The gate in front of an application that says yes to all."""
    gate = Gate(PlainTextResponse("inside"), access)
    return TestClient(
        gate, base_url="http://localhost:8501", client=(address, 1), follow_redirects=False
    )


def test_without_a_password_nobody_is_asked_and_other_sites_are_refused():
    client = small_lab(Access())
    assert client.get("/runs").text == "inside"
    assert client.post("/runs", headers={"origin": "http://localhost:8501"}).text == "inside"
    assert client.post("/runs", headers={"origin": "http://evil.example"}).status_code == 403
    assert client.get("/runs", headers={"host": "evil.example"}).status_code == 403


def test_wrong_passwords_make_one_address_wait():
    access = Access(password=PASSWORD)
    gate = Gate(PlainTextResponse("inside"), access)
    gate.attempts = Attempts(lambda: moment)
    moment = 100.0

    def log_in(password, address):
        client = TestClient(
            gate, base_url="http://localhost", client=(address, 1), follow_redirects=False
        )
        return client.post("/login", data={"password": password})

    assert [log_in("guess", "10.0.0.1").status_code for _ in range(ALLOWED)] == [401] * ALLOWED
    waiting = log_in(PASSWORD, "10.0.0.1")
    assert (waiting.status_code, waiting.headers["retry-after"]) == (429, "60")
    assert log_in(PASSWORD, "10.0.0.2").status_code == 303
    moment += WAIT + 1
    assert log_in(PASSWORD, "10.0.0.1").status_code == 303


def test_a_login_form_is_small_and_may_hold_anything():
    client = small_lab(Access(password=PASSWORD))
    assert client.post("/login", data={"password": "x" * 10_000}).status_code == 413
    for content in (b"", b"password", b"password=%ff%00", b"&&&=;", b"a=1&" * 2000):
        answer = client.post("/login", content=content, headers={"content-type": "text/plain"})
        assert answer.status_code in (401, 413, 429)


@pytest.mark.parametrize(
    "place",
    ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "", "evil",
     "/login", "/logout", "/a\r\nset-cookie: b", "javascript:1", "/ /evil.example"],
)  # fmt: skip
def test_no_login_leads_to_another_site(place):
    assert read_place(place) == "/"
    answer = small_lab(Access(password=PASSWORD)).post(
        "/login", data={"password": PASSWORD, "next": place}
    )
    assert answer.headers["location"] == "/"


def test_the_login_page_quotes_what_it_repeats():
    page = small_lab(Access(password=PASSWORD)).get('/login?next=/"><script>alert(1)</script>')
    assert page.status_code == 200 and "<script>" not in page.text
    assert "script-src" not in page.headers["content-security-policy"]
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_sessions_expire_and_end():
    moment = 1000.0
    sessions = Sessions(hours=1, clock=lambda: moment)
    token, other = sessions.open(), sessions.open()
    assert sessions.is_open(token) and sessions.is_open(other)
    sessions.end(token)
    assert not sessions.is_open(token) and sessions.is_open(other)
    moment += 3600
    assert not sessions.is_open(other)
    assert not Sessions().is_open(token), "another start, another secret"
    for nonsense in ("", ".", "..", "a.b.c", "a.9.é", "\ud800", token + "0"):
        assert not sessions.is_open(nonsense)


@pytest.mark.parametrize(
    ("bound", "named", "host", "allowed"),
    [
        ("127.0.0.1", [], "localhost", True), ("127.0.0.1", [], "LOCALHOST.:8501", True),
        ("127.0.0.1", [], "127.0.0.1:9000", True), ("127.0.0.1", [], "[::1]:8501", True),
        ("127.0.0.1", [], "[0:0:0:0:0:0:0:1]", True), ("127.0.0.1", [], "10.0.0.5", False),
        ("127.0.0.1", [], "evil.example", False), ("127.0.0.1", [], "", False),
        ("127.0.0.1", [], "localhost:evil", False), ("127.0.0.1", [], "localhost:99999", False),
        ("127.0.0.1", [], "a@localhost", False), ("127.0.0.1", [], "localhost/", False),
        ("127.0.0.1", ["lab.example"], "lab.example:8443", True),
        ("127.0.0.1", ["lab.example"], "a.lab.example", False),
        ("127.0.0.1", ["lab.example:8443"], "lab.example:8443", True),
        ("127.0.0.1", ["lab.example:8443"], "lab.example", False),
        ("127.0.0.1", ["lab.example:443"], "lab.example", True),
        ("127.0.0.1", ["::1"], "[::1]", True), ("10.0.0.5", [], "10.0.0.5:8501", True),
        ("10.0.0.5", [], "10.0.0.6", False), ("0.0.0.0", [], "10.0.0.6:8501", True),
        ("0.0.0.0", [], "evil.example", False), ("::", [], "[fe80::1]:8501", True),
        ("0.0.0.0", [], f"{socket.gethostname()}:8501", True),
    ],
)  # fmt: skip
def test_which_names_are_answered_to(bound, named, host, allowed):
    assert Hosts.of(bound, named).allows(host) is allowed


def test_the_same_origin_is_host_and_port():
    assert is_same_origin("http://localhost:8501", "localhost:8501")
    assert is_same_origin("https://lab.example", "lab.example")
    assert is_same_origin("https://lab.example", "lab.example:443")
    assert not is_same_origin("http://lab.example", "lab.example:443")
    assert not is_same_origin("http://localhost:3000", "localhost:8501")
    for odd in (
        "null",
        "",
        "file://",
        "http://localhost:8501/",
        "localhost:8501",
        "ftp://localhost",
    ):
        assert not is_same_origin(odd, "localhost:8501")


def test_loopback_is_only_what_no_other_machine_reaches():
    assert all(map(is_loopback, ["localhost", "127.0.0.1", "127.9.9.9", "::1"]))
    assert not any(map(is_loopback, ["", "0.0.0.0", "::", "10.0.0.1", "lab", "0", "127.1"]))


def start_lab(*arguments, module=("app",), **environment):
    clean = {name: text for name, text in os.environ.items() if not name.startswith("MEMFACTORY_")}
    return subprocess.run(
        [sys.executable, "-m", *module, *arguments],
        capture_output=True, text=True, timeout=120, env=clean | environment,
    )  # fmt: skip


@pytest.mark.parametrize("module", [("app",), ("memfactory_core", "lab")])
def test_a_lab_that_others_reach_needs_a_password(module, tmp_path):
    for host in ("0.0.0.0", "::", "10.0.0.1"):
        done = start_lab("--host", host, module=module)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == (
            f"memfactory: --host {host} lets others reach the lab: set MEMFACTORY_PASSWORD or give "
            "--password-file\n"
        )
    [said] = start_lab("--password-file", str(tmp_path / "none"), module=module).stderr.splitlines()
    assert said.endswith("none cannot be read: No such file or directory")
    [said] = start_lab("--allow-host", "http://lab", module=module).stderr.splitlines()
    assert "--allow-host 'http://lab' is no host" in said


def test_with_a_password_it_warns_and_starts(tmp_path):
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\nsecond line\n")
    file.chmod(stat.S_IRUSR)
    with socket.socket() as taken:  # so that the lab ends right after its warning
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = start_lab("--host", "0.0.0.0", "--password-file", str(file), "--port", port)
    warning, error = done.stderr.splitlines()
    assert done.returncode == 2 and f"port {port} is in use or not allowed" in error
    assert warning.startswith("warning: ") and "proxy with TLS" in warning
    assert PASSWORD not in done.stderr + done.stdout


def test_password_and_names_come_from_the_environment_and_go_no_further(monkeypatch, tmp_path):
    monkeypatch.setenv("MEMFACTORY_PASSWORD", PASSWORD)
    monkeypatch.setenv("MEMFACTORY_HOSTS", "lab.example, other.example:8443")
    access = read_access("127.0.0.1", ["third.example"])
    assert (
        access.is_password(PASSWORD) and not access.is_password("") and PASSWORD not in repr(access)
    )
    assert "MEMFACTORY_PASSWORD" not in os.environ
    named = ["lab.example", "other.example:8443", "third.example:1"]
    assert all(map(access.hosts.allows, named))
    for empty in ("", "  "):
        monkeypatch.setenv("MEMFACTORY_PASSWORD", empty)
        with pytest.raises(ConfigError, match="password in MEMFACTORY_PASSWORD is empty"):
            read_access("127.0.0.1")
    empty_file = tmp_path / "password"
    empty_file.write_text("\n")
    with pytest.raises(ConfigError, match="first line of"):
        read_access("0.0.0.0", [], empty_file)
    assert not Access().is_password("")
