"""A talk in a real browser: six turns beside the bank, undo, a pin, an edit, a reload, and a bank with a name after the
server was killed."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from memfactory_core.runs import database, jobs
from memfactory_core.tiny import WEIGHTS
from tests.browser.talking import drop, say, take_first_offer
from tests.conftest import PATIENCE
from tests.talk.pdfs import make_pdf
from tests.talk.talks import ASKED, CHANGE, FACT, GONE

pytestmark = [
    pytest.mark.timeout(420),
    pytest.mark.skipif(
        not (WEIGHTS / "model.safetensors").exists(), reason="the tiny weights are not built"
    ),
]


def expect_bank(chat: Any, *memories: str) -> None:
    expect(chat.locator(".mf-bank .mf-text")).to_have_text(list(memories))


def manager() -> str:
    """The id of the trained manager that comes with the package."""
    runs = database.list_runs(database.connect(jobs.database_url()))
    (run,) = [r.id for r in runs if r.id.startswith("import-") and r.name.startswith("Memory-R1")]
    return run


def expect_answer(chat: Any, answer: str) -> None:
    expect(chat.locator(".mf-answer strong").last).to_have_text(answer)


def test_a_talk_with_undo_and_the_bank_beside_it(server: Any, page: Any) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{server.url}/talk")
    chat = page.frame_locator("iframe")
    take_first_offer(chat)
    chat.get_by_role("button", name="New talk").click()
    chat.get_by_text("Tell the agent something, then ask.").wait_for()

    say(chat, FACT)
    chat.locator(".mf-op", has_text="Add").wait_for()
    say(chat, ASKED)
    expect_answer(chat, FACT)
    expect_bank(chat, FACT)
    say(chat, CHANGE)
    chat.locator(".mf-op", has_text="Update").locator("del", has_text="Zimo").wait_for()
    say(chat, ASKED)
    expect_answer(chat, CHANGE)
    expect_bank(chat, CHANGE)

    chat.get_by_role("button", name="Undo the last write").click()
    chat.get_by_text("By hand: Undo update 1").wait_for()
    expect_bank(chat, FACT)
    say(chat, ASKED)
    expect_answer(chat, FACT)

    chat.get_by_role("button", name="Pin memory 1").click()
    chat.get_by_role("button", name="Unpin memory 1").wait_for()
    say(chat, GONE)
    chat.get_by_text("memory 1 is pinned").first.wait_for()
    chat.get_by_role("button", name="Unpin memory 1").click()
    chat.get_by_role("button", name="Pin memory 1", exact=True).wait_for()
    say(chat, GONE)
    say(chat, ASKED)
    expect_answer(chat, "Unknown.")
    expect_bank(chat)

    say(chat, "My sister Clara moved to Lisbon")
    chat.get_by_text("This agent does not understand").wait_for()
    chat.get_by_text("Read to answer:").first.click()
    chat.locator(".mf-hits").first.wait_for()

    page.reload()
    chat.get_by_text("By hand: Undo update 1").wait_for()
    assert not errors


def test_both_answer_side_by_side(shared: Any, page: Any) -> None:
    page.goto(f"{shared.url}/talk?run={manager()}")
    chat = page.frame_locator("iframe")
    chat.locator(".mf-offers button").first.wait_for()
    say(chat, FACT)
    chat.get_by_role("radio", name="Both").check()
    chat.get_by_role("heading", name="Bank before training").wait_for()
    expect_bank(chat, FACT, FACT)  # copies of one bank
    say(chat, CHANGE)
    say(chat, ASKED)
    answers = chat.locator(".mf-sides").last.locator(".mf-answer strong")
    expect(answers).to_have_count(2)
    expect(answers.first).to_have_text(CHANGE)
    expect(chat.get_by_role("link", name="Look into this memory")).to_have_count(2)


def test_a_pdf_of_fifty_pages_is_dropped(shared: Any, page: Any) -> None:
    page.goto(f"{shared.url}/talk?run={manager()}")
    chat = page.frame_locator("iframe")
    chat.locator(".mf-offers button").first.wait_for()
    name = "Ba{}{}".format
    pages = [
        [f"The pet of {name(a, b)} is Zimo."]
        for a in "bdfgk"
        for b in ("do", "fi", "gu", "ke", "lo", "ma", "ni", "po", "ru", "sa")
    ]
    drop(chat, "facts.pdf", make_pdf(pages))
    chat.locator("progress").wait_for()
    chat.get_by_text("Read 50 of 50 sections").wait_for(timeout=2 * PATIENCE)
    expect(chat.locator(".mf-bank .mf-text")).not_to_have_count(0)


def test_a_named_bank_is_there_after_the_server_was_killed(server: Any, page: Any) -> None:
    page.goto(f"{server.url}/talk")
    chat = page.frame_locator("iframe")
    chat.locator(".mf-offers button").first.wait_for()
    name = chat.get_by_role("combobox", name="Named bank")
    name.fill("notes")
    name.press("Enter")
    chat.get_by_text("Opened with the bank notes.").wait_for()
    say(chat, FACT)
    chat.get_by_role("button", name="Edit memory 1").click()
    chat.get_by_label("Memory", exact=True).fill(CHANGE)
    chat.get_by_role("button", name="Save").click()
    chat.get_by_text("By hand: Edit 1").wait_for()
    server.kill()
    server.start()
    page.goto(f"{server.url}/talk")
    chat.get_by_text("By hand: Edit 1").wait_for()  # the talk is there, and goes on
    say(chat, ASKED)
    expect_answer(chat, CHANGE)
    chat.get_by_role("button", name="New talk").click()
    chat.get_by_text("from before this talk").wait_for()
    expect_bank(chat, CHANGE)
