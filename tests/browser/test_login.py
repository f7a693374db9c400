"""A lab with a password, and pages of other sites in front of one without, in a real browser."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from app.access.gate import COOKIE
from tests.browser.conftest import Server
from tests.browser.talking import take_first_offer
from tests.conftest import CHROMIUM, PATIENCE

PASSWORD = "open sesame & <more>"
ATTACK = """async lab => {
  const outcomes = {};
  const ask = (what, path, options) => fetch(lab + path, options).then(
    async answer => { outcomes[what] = `${answer.type} ${answer.status}`; await answer.text(); },
    () => { outcomes[what] = "blocked"; });
  const form = () => { const data = new FormData(); data.append("files", new Blob(["x"]), "x.txt"); return data; };
  await ask("page", "/", {});
  await ask("health", "/api/health", {});
  await ask("chat", "/chat/gradio_api/info", {});
  await ask("chat, unread", "/chat/gradio_api/info", {mode: "no-cors"});
  await ask("question", "/chat/gradio_api/queue/join", {method: "POST", body: "{}", mode: "no-cors"});
  await ask("upload", "/chat/gradio_api/upload", {method: "POST", body: form(), mode: "no-cors"});
  await ask("upload, read", "/chat/gradio_api/upload", {method: "POST", body: form()});
  outcomes.websocket = await new Promise(done => {
    const socket = new WebSocket(lab.replace("http", "ws") + "/_stcore/stream", ["streamlit"]);
    socket.onopen = () => { socket.close(); done("open"); };
    socket.onerror = () => done("refused");
  });
  return outcomes;
}"""


def log_in(page: Any, password: str = PASSWORD) -> None:
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    lab = Server(tmp_path_factory.mktemp("locked"))
    lab.code = (
        "from app.access.settings import Access\nfrom app.server import serve\n"
        f"serve(port={lab.port}, access=Access(password={PASSWORD!r}))"
    )
    lab.start()
    yield lab
    lab.kill()


def test_from_login_over_page_and_chat_to_logout(locked: Server, page: Any) -> None:
    page.goto(f"{locked.url}/talk?run=none")
    page.wait_for_url(re.compile(r"/login\?next="))
    log_in(page, "open sesame")
    page.get_by_role("alert").get_by_text("That is not the password.").wait_for()
    log_in(page)
    page.wait_for_url("**/talk?run=none")
    [cookie] = [one for one in page.context.cookies() if one["name"].startswith(COOKIE)]
    assert cookie["httpOnly"] and cookie["sameSite"] == "Lax"

    chat = page.frame_locator("iframe")
    # the chat of a server that has just started loads its libraries first
    take_first_offer(chat, 2 * PATIENCE)
    with page.expect_file_chooser() as chooser:
        chat.get_by_role("button", name="Read a document").click()
    chooser.value.set_files(
        {"name": "words.txt", "mimeType": "text/plain", "buffer": b"Uploaded words."}
    )
    chat.locator(".mf-turn", has_text="words.txt").wait_for()
    page.get_by_role("link", name="Compose").click()
    page.get_by_role("heading", name="Compose").first.wait_for()

    other = page.context.new_page()
    other.goto(locked.url)
    other.locator("h1").first.wait_for()
    page.get_by_role("link", name="Log out").click()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    other.locator("[data-testid=stConnectionStatus], [role=dialog]").first.wait_for()
    for place in ("", "chat/", "runs"):
        page.goto(f"{locked.url}/{place}")
        page.get_by_label("Password").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_login_page_is_read_and_sent_by_keyboard(
    locked: Server, chromium: Any, scheme: str
) -> None:
    context = chromium.new_context(color_scheme=scheme, viewport={"width": 360, "height": 640})
    page = context.new_page()
    page.goto(f"{locked.url}/")
    page.evaluate("document.fonts.ready")
    assert page.evaluate("""document.fonts.check('15px "Source Sans"')""")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(244, 246, 246)", "dark": "rgb(18, 24, 26)"}[scheme]
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("document.activeElement.id") == "password"
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.locator("h1").first.wait_for()
    context.close()


def test_pages_of_other_sites_reach_nothing(shared: Server, chromium: Any) -> None:
    """evil.example is rebound to the lab's address: its page is the attacker's, all else comes from the lab."""
    rebound = chromium.browser_type.launch(
        executable_path=CHROMIUM,
        args=[
            "--no-sandbox",
            "--host-resolver-rules=MAP *.example 127.0.0.1",
            # the browser's own guard of local addresses: other browsers have none
            "--disable-features=LocalNetworkAccessChecks",
        ],
    )
    evil = f"http://evil.example:{shared.port}"
    try:
        page = rebound.new_page()
        page.set_default_timeout(PATIENCE)
        page.route(
            "**/attack",
            lambda route: route.fulfill(body="<h1>a page</h1>", content_type="text/html"),
        )
        statuses: list[int] = []
        page.on("response", lambda got: "attack" in got.url or statuses.append(got.status))
        attackers = {
            f"{evil}/attack": evil,  # rebound: to the browser it is one site
            "http://evil.example/attack": shared.url,
            "http://127.0.0.1:1/attack": shared.url,  # another program of this machine
            f"http://localhost:{shared.port}/attack": shared.url,
        }
        for address, target in attackers.items():
            page.goto(address)
            outcomes = page.evaluate(ATTACK, target)
            assert len(outcomes) == 8 and outcomes["websocket"] == "refused"
            assert not any("200" in outcome for outcome in outcomes.values()), outcomes
            # what the page cannot read is refused all the same
            assert len(statuses) >= 3 and set(statuses) == {403}, (address, statuses, outcomes)
            statuses.clear()
        page.goto(f"{shared.url}/attack")
        own = page.evaluate(ATTACK, shared.url)
        assert own["websocket"] == "open" and own["page"] == own["upload, read"] == "basic 200"
        page.goto(f"{evil}/runs")
        assert "does not answer to the name" in page.inner_text("body")
        page.close()
        page = rebound.new_page()
        page.set_default_timeout(PATIENCE)
        page.route("**/attack", lambda route: route.fulfill(body="", content_type="text/html"))
        page.goto("http://evil.example/attack")
        page.evaluate(f"location.href = '{shared.url}/runs'")
        page.locator("h1").first.wait_for()  # a link from elsewhere is followed
    finally:
        rebound.close()
