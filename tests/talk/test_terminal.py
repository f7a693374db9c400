"""`memfactory chat`: the same talk, line by line."""

from typer.testing import CliRunner

from memfactory_core.cli.main import app
from memfactory_core.runs import chats, database, jobs
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


def test_what_cannot_be_talked_to_is_said(lab):
    result = CliRunner().invoke(app, ["chat", "nobody"])
    assert "nobody" in str(result.exception)
    result = CliRunner().invoke(app, ["chat", "locomo-retrieval"])
    assert result.exception is not None
