"""`memfactory chat`: the same talk, line by line."""

import os
import signal

import pytest
from typer.testing import CliRunner

from memfactory_core.cli import chat
from memfactory_core.cli.main import app
from memfactory_core.policies.scripted import ScriptedSampler
from memfactory_core.runs import chats, database, jobs
from memfactory_core.runs.place import root
from memfactory_core.talk.banks import open_bank
from memfactory_core.talk.talk import talk_entries
from tests.talk.talks import ASKED, CHANGE, FACT


def talk(*lines, arguments=()):
    result = CliRunner().invoke(app, ["chat", *arguments], input="\n".join(lines) + "\n")
    assert result.exception is None, result.output
    return result.output


def make_agent(lab):
    from memfactory_core import config

    return jobs.create(
        lab, config.load("memory-r1-tiny", ["mode=evaluate", "policy=scripted", "roles={}"])
    ).id


def test_a_talk_in_the_terminal_is_kept(lab, tmp_path):
    run = make_agent(lab)
    document, lines = tmp_path / "a.md", tmp_path / "bank.jsonl"
    document.write_text("The city of Rilo is Dema. The boat of Tavi is Tuve.")
    said = talk(
        FACT, ASKED, CHANGE, ASKED, "/undo", ASKED, f"/read {document}", "/pin 2", "/delete 2", "/bank",
        f"/export {lines}", "/wipe", f"/import {lines}", "/edit 2 Rilo lives in Dema.", "/nonsense", "/edit 4 New.",
        "/remember Is that so?", "/read /none.txt", "/help", "/examples", "/end", "/quit", "never read",
        arguments=[run],
    )  # fmt: skip
    for line in (
        "ADD #1 The pet of Bako is Zimo.", "Zimo", "UPDATE #1 The pet of Bako is Zimo. -> The pet of Bako is Rilo.",
        "takes back what event", "#2 The city of Rilo is Dema. (pinned)", "! Refused: memory 2 is pinned",
        "3 memories in", "! there is no /nonsense", "! cannot read /none.txt", "kept as talk",
    ):  # fmt: skip
        assert line in said, line
    (kept,) = chats.recent(database.connect(jobs.database_url()))
    entries = talk_entries(chats.get(lab, kept.id))
    assert [e.answer for e in entries if e.kind == "asked"] == ["Zimo", "Rilo", "Zimo"]
    assert "never read" not in [e.text for e in entries]


def test_a_named_bank_outlives_the_terminal(lab):
    run = make_agent(lab)
    talk(FACT, arguments=[run, "--bank", "notes"])
    assert "Zimo" in talk(ASKED, arguments=[run, "--bank", "notes"])
    assert "Unknown." in talk(ASKED, arguments=[run])


@pytest.fixture(autouse=True)
def listening():
    """Ctrl-C is heard, also where the tests were started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def interrupt(monkeypatch):
    """Presses Ctrl-C in the midst of what the agent is asked as `role` for the n-th time."""

    def arm(role, count):
        asked, complete = [], ScriptedSampler.complete

        def answer(self, asks, temperature):
            mine = [ask for ask in asks if ask.role == role]
            asked.extend(mine)
            if mine and len(asked) == count:
                os.kill(os.getpid(), signal.SIGINT)
            return complete(self, asks, temperature)

        monkeypatch.setattr(ScriptedSampler, "complete", answer)

    return arm


def test_ctrl_c_stops_the_agent_and_what_it_read_is_kept(lab, tmp_path, interrupt):
    run, document = make_agent(lab), tmp_path / "a.md"
    document.write_text("\n\n".join(f"The pet of Bako{n} is Zimo." for n in range(20)))
    interrupt("manage", 3)
    said = talk(f"/read {document}", arguments=[run, "--bank", "notes"])
    assert "ADD #2" in said and "! Stopped." in said and "kept as talk" in said
    (kept,) = chats.recent(lab)
    (_, entry) = talk_entries(chats.get(lab, kept.id))
    assert (entry.note, entry.read, entry.end) == (
        "Stopped.",
        2,
        len(chats.get(lab, kept.id).events),
    )
    bank = open_bank(root(), "notes")
    assert len(bank.memories) == 2
    bank.close()


def test_ctrl_c_stops_an_answer_and_the_talk_goes_on(lab, interrupt):
    run = make_agent(lab)
    interrupt("answer", 1)
    said = talk(FACT, ASKED, CHANGE, ASKED, arguments=[run])
    assert said.index("! Stopped.") < said.index("Zimo. -> The pet of Bako is Rilo.")
    assert said.rstrip().splitlines()[-2] == "Rilo"


def test_ctrl_c_while_an_entry_is_shown_stops_the_agent(lab, tmp_path, monkeypatch):
    run, show = make_agent(lab), chat._print
    pressed = []

    def press(text):
        show(text)
        if "ADD #1" in text and not pressed:
            pressed.append(text)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(chat, "_print", press)
    said = talk(f"{FACT} {ASKED}", ASKED, arguments=[run])
    assert "! Stopped." in said and "Zimo" in said
    (kept,) = chats.recent(lab)
    assert [e.answer for e in talk_entries(chats.get(lab, kept.id))] == [None, None, "Zimo"]


def test_a_talk_is_saved_when_something_was_said_or_done(lab, monkeypatch):
    run, saved, save = make_agent(lab), [], chats.save
    monkeypatch.setattr(chats, "save", lambda *given: saved.append(given) or save(*given))
    talk(FACT, "/bank", "/help", "/examples", "/nonsense", ASKED, "/bank", arguments=[run])
    assert len(saved) == 2
    assert "kept as talk" not in talk("/bank", arguments=[run])


def test_what_cannot_be_talked_to_is_said(lab):
    result = CliRunner().invoke(app, ["chat", "nobody"])
    assert "nobody" in str(result.exception)
    result = CliRunner().invoke(app, ["chat", "locomo-retrieval"])
    assert result.exception is not None
