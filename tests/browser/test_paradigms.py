"""A talk of six turns with each paradigm, the bank beside it: a fact, a change and a retraction, and a question after
each. Programs play RMM's policy, for no trained one comes with the package."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import FrameLocator, expect

from app.reads.examples import find_example
from memfactory_core import config
from memfactory_core.runs import database, jobs
from memfactory_core.tiny import WEIGHTS
from tests.browser.talking import say
from tests.conftest import PATIENCE
from tests.talk.talks import ASKED, CHANGE, FACT, GONE, TURNS

expect.set_options(timeout=PATIENCE)
pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not (WEIGHTS / "model.safetensors").exists(), reason="the tiny weights are not built"
    ),
]


def open_talk(page: Any, lab: Any, run: str) -> FrameLocator:
    """A new talk with a run's agent."""
    page.goto(f"{lab.url}/talk?run={run}")
    chat = page.frame_locator("iframe")
    expect(chat.locator(".mf-offers button").first).to_be_visible()
    return chat


def hear(chat: FrameLocator, question: str, answer: str, bank: list[str]) -> None:
    """Asks, and waits for the answer and for the bank beside it."""
    say(chat, question)
    expect(chat.locator(".mf-answer strong").last).to_have_text(answer)
    expect(chat.locator(".mf-bank .mf-text")).to_have_text(bank)


def test_memory_r1_keeps_its_bank_true(shared: Any, page: Any) -> None:
    chat = open_talk(page, shared, find_example("memory_r1").id)
    for told, act, answer, bank in (
        (FACT, "Add", FACT, [FACT]), (CHANGE, "Update", CHANGE, [CHANGE]), (GONE, "Delete", "Unknown.", []),
    ):  # fmt: skip
        say(chat, told)
        expect(chat.locator(".mf-op", has_text=act)).to_have_count(1)
        hear(chat, ASKED, answer, bank)


def test_rmm_adds_and_reads_what_its_reranker_chooses(shared: Any, page: Any) -> None:
    settings = ["mode=evaluate", "policy=scripted", "roles={}", "name=RMM, a program"]
    settings += ["paradigm.retriever.candidates.kind=bm25"]
    run = jobs.create(database.connect(jobs.database_url()), config.load("rmm-tiny", settings))
    chat = open_talk(page, shared, run.id)
    for number, told in enumerate(TURNS[::2], 1):
        say(chat, told)
        expect(chat.locator(".mf-op", has_text="Add")).to_have_count(number)
        say(chat, ASKED)
        expect(chat.locator(".mf-answer strong")).to_have_count(number)
        expect(chat.locator(".mf-bank .mf-text")).to_have_text(list(TURNS[: 2 * number : 2]))
        chat.get_by_text("Read to answer:").last.click()
        expect(chat.locator("details[open] .mf-hits").last).to_be_visible()
    expect(chat.locator(".mf-answer strong").first).to_have_text("Zimo")


def test_memagent_reads_a_pasted_text_for_the_question_after_it(shared: Any, page: Any) -> None:
    chat = open_talk(page, shared, find_example("memagent").id)
    others = "The boat of Tavi is Tuve. The song of Nalu is Pemi. The pet of Rilo is Hano."
    say(chat, f"{FACT} {others} {ASKED}")
    expect(chat.locator(".mf-answer strong")).to_have_text(FACT)
    expect(chat.get_by_text("Read 2 of 2 sections")).to_be_visible()
    expect(chat.locator(".mf-bank .mf-text")).to_have_count(1)
    for number, told in enumerate((CHANGE, GONE), 2):
        say(chat, f"{told} {ASKED}")
        expect(chat.locator(".mf-answer strong")).to_have_count(number)
        expect(chat.locator(".mf-bank .mf-text")).to_have_count(1)
    expect(chat.locator(".mf-op").first).to_be_visible()
    expect(chat.locator("#bank")).to_contain_text("of 64 characters")


def test_what_is_sent_while_the_agent_works_waits_for_its_turn(shared: Any, page: Any) -> None:
    chat = open_talk(page, shared, find_example("memory_r1").id)
    box = chat.get_by_label("Message").and_(chat.locator("textarea"))
    for message in (FACT, CHANGE, ASKED):
        box.fill(message)
        box.press("Enter")
        expect(box).to_have_value("")
    expect(chat.locator(".mf-you")).to_have_count(3)
    expect(chat.locator(".mf-answer strong")).to_have_text(CHANGE)
