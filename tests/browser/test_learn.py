"""One lesson in a real browser, from the overview's "Start here" to its end: what was said outlives a reload, and a
tour that was closed stays closed."""

from __future__ import annotations

import urllib.request
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Server
from tests.browser.redrawing import fill_until, press_until

pytestmark = pytest.mark.timeout(300)


def test_a_lesson_to_its_end(page: Any, open_lab: Server) -> None:
    page.goto(open_lab.url)
    page.get_by_role("button", name="Close the tour").click()
    page.get_by_role("button", name="Close the tour").wait_for(state="detached")
    page.reload()
    page.get_by_role("button", name="Start here").wait_for()
    expect(page.get_by_role("button", name="Close the tour")).to_have_count(0)
    page.get_by_role("button", name="Start here").click()
    page.get_by_role("heading", name="What a memory policy decides").wait_for()
    page.get_by_text("Two dogs: ADD or UPDATE").first.click()
    page.get_by_role("heading", name="Two dogs: ADD or UPDATE").wait_for()
    expect(page.get_by_role("heading", name="2 · Look")).to_have_count(0)
    page.get_by_text("only Scout", exact=True).click()
    said = page.get_by_text("As you said: only Scout")
    press_until(page.get_by_role("button", name="Commit to it"), said)
    page.reload()
    page.get_by_text("As you said: only Scout").wait_for()
    main = page.get_by_role("main")
    option = main.get_by_test_id("stRadioOption").filter(
        has_text="UPDATE: one memory that says both"
    )
    option.click()  # the table above says the same words
    judged = page.get_by_text("Both dogs are kept, in one memory")
    press_until(page.get_by_role("button", name="Check").first, judged)
    check = page.get_by_role("button", name="Check").last
    fill_until(page.get_by_label("At which cost of a memory"), "1.25", check)
    done = page.get_by_text("This lesson is done.")
    press_until(check, done)
    page.reload()
    page.get_by_text("This lesson is done.").wait_for()
    page.get_by_text("1 of 8 taken to the end").wait_for()
    page.get_by_role("button", name="Next: Which decision earned it?").click()
    page.get_by_role("heading", name="Which decision earned it?").wait_for()


def test_pages_know_their_server_and_nothing_else_is_changed(open_lab: Server) -> None:
    for address in ("", "learn", "learn/", "talk"):
        asked = urllib.request.Request(
            f"{open_lab.url}/{address}", headers={"Accept-Encoding": "gzip", "If-None-Match": "*"}
        )
        with urllib.request.urlopen(asked, timeout=20) as answer:
            body = answer.read()
            assert answer.status == 200 and len(body) == int(answer.headers["content-length"])
            assert body.count(b"BACKEND_BASE_URL") == 1
            assert answer.headers["content-security-policy"] == "frame-ancestors 'self'"
    with urllib.request.urlopen(f"{open_lab.url}/chat/", timeout=20) as answer:
        assert b"BACKEND_BASE_URL" not in answer.read()
    with urllib.request.urlopen(f"{open_lab.url}/_stcore/health", timeout=20) as answer:
        assert answer.read() == b"ok"
