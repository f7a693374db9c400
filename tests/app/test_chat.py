"""The chat without its widgets: talks of a server, what the page shows of them, and the bank that is kept."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from app.chat import acts, opening
from app.chat.agents import find_agent, list_agents, samplers
from app.chat.talks import AFTER, BEFORE, BOTH, LiveTalk, Talks, talks
from app.chat.transcript import render_bank, render_talk
from app.reads.chats import list_chats, read_chat
from app.reads.engine import database_engine
from memfactory_core import config
from memfactory_core.errors import ConfigError
from memfactory_core.runs import examples, jobs
from memfactory_core.runs.archive import import_run
from memfactory_core.talk import hand
from memfactory_core.talk.offers import offers
from tests.app.test_pages import HOSTILE, filled, open_page, words
from tests.talk.pdfs import make_pdf
from tests.talk.talks import ASKED, BUILT, CHANGE, FACT, TURNS

__all__ = ["filled"]
SCRIPTED = "recipe:memagent-tiny"


@pytest.fixture
def manager(filled: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> LiveTalk:
    """A talk with a scripted manager, as the server holds it."""
    chosen = config.load("memory-r1-tiny", ["mode=evaluate", "policy=scripted", "roles={}"])
    run = jobs.create(database_engine(), chosen)
    return talks.begin(f"run:{run.id}")


@pytest.fixture
def trained(filled: dict[str, str]) -> str:
    """The agent of the trained manager that comes with the package."""
    (folder,) = [folder for folder in examples.FOLDERS if folder.name == "memory_r1"]
    return f"run:{import_run(database_engine(), folder).id}"


def say(live: LiveTalk, *messages: str) -> acts.View:
    """The last view after these messages."""
    for message in messages:
        shown = list(acts.send(live.talk.id, message, "By question mark"))[-1]
        assert not shown[2], shown[2]
    return shown


def test_agents_of_the_chat(filled: dict[str, str]) -> None:
    assert "No chat is kept yet" in words(open_page("memory", source="chat"))
    ids = [agent_id for _, agent_id in list_agents()]
    assert f"run:{filled['evaluated']}" in ids and SCRIPTED in ids
    assert f"run:{filled['trained']}" not in ids  # it left no weights
    with pytest.raises(ConfigError, match="gone"):
        find_agent("run:")


def test_six_turns_and_the_bank_beside_them(manager: LiveTalk) -> None:
    shown, bank, _ = say(manager, *TURNS[:2])
    assert "Zimo" in shown and "mf-answer" in shown and "Add" in shown
    assert "1 of 3" in bank and 'data-act="pin" data-id="1"' in bank and "1 message ago" in bank
    shown, bank, _ = say(manager, *TURNS[2:])
    assert "Update" in shown and "Delete" in shown and "The bank is empty" in bank
    assert "ranks and scores" in shown and "<details>" in shown
    assert "Working" not in shown and "…" not in shown


def test_a_talk_is_shown_step_by_step(manager: LiveTalk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts, "SHOW_EVERY", 0.0)
    samplers._loaded.clear()
    first, *seen = acts.send(
        manager.talk.id, f"{FACT} The city of Rilo is Dema.", "By question mark"
    )
    assert "being loaded" in first[2]
    assert "being loaded" not in next(acts.send(manager.talk.id, FACT, "By question mark"))[2]
    assert "Reading 0 of 2" in seen[0][0] and "Reading 1 of 2" in "".join(s[0] for s in seen)
    assert "Read 2 of 2" in seen[-1][0] and "2 of 3" in seen[-1][1]


def test_undo_changes_the_next_answer(manager: LiveTalk) -> None:
    say(manager, FACT, CHANGE)
    shown = acts.change(manager.talk.id, hand.undo)
    assert "By hand: Undo update 1" in shown[0] and not shown[2]
    say(manager, ASKED)
    assert manager.talk.entries[-1].answer == "Zimo"
    for _ in range(2):
        shown = acts.change(manager.talk.id, hand.undo)
    assert "no write to take back" in shown[2]


def test_buttons_of_a_memory(manager: LiveTalk) -> None:
    say(manager, FACT)
    i = manager.talk.id
    assert "pinned" in acts.press(i, "pin", "1")[1]
    assert "Refused: memory 1 is pinned" in acts.press(i, "delete", "1")[0]
    acts.press(i, "unpin", "1")
    assert acts.memory_text(i, "1") == FACT
    acts.change(i, lambda talk: hand.edit(talk, "1", CHANGE))
    assert "Rilo" in acts.export_lines(i)
    assert "The bank is empty" in acts.press(i, "delete", "1")[1]
    assert "2 of 3" in acts.bring_file(i, b'{"text": "a"}\n{"text": "b"}')[1]
    assert "line 1 is no JSON" in acts.bring_file(i, b"no")[2]
    acts.press(i, "<script>", "../..")
    assert acts.memory_text(i, "99") == "" and acts.memory_text("gone", "1") == ""


def test_words_of_users_never_become_markup(manager: LiveTalk) -> None:
    evil = f"{HOSTILE} <img src=x onerror=alert(1)> ${{7*7}} \u202e"
    shown = say(manager, evil, f"{evil}?")
    acts.change(manager.talk.id, lambda talk: hand.bring(talk, []))
    for part in (*shown, render_talk(manager), render_bank(manager)):
        assert "<script" not in part and "<img" not in part and "\u202e" not in part
        assert "${" not in part
    page = open_page("memory", source="chat", chat=manager.talk.id)
    assert not page.error and HOSTILE not in words(page) and "<img" not in words(page)


def test_a_talk_is_looked_into_in_the_debugger(manager: LiveTalk) -> None:
    shown, *_ = say(manager, *TURNS[:4])
    assert f"source=chat&chat={manager.talk.id}" in shown.replace("&amp;", "&")
    page = open_page("memory", source="chat", chat=manager.talk.id)
    assert not page.error and not page.warning
    assert manager.talk.id == page.selectbox(key="url.chat").value
    told = words(page)
    assert "Rilo" in told and "Update" in told and "ranks and scores" in told
    assert list_chats()[0].id == manager.talk.id
    assert open_page("memory", source="chat", chat="gone").warning


def test_a_talk_lasts_over_a_restart_of_the_server(manager: LiveTalk) -> None:
    say(manager, FACT)
    acts.press(manager.talk.id, "pin", "1")
    restarted = Talks()
    live = restarted.find(manager.talk.id)
    assert live is not None and live is not manager
    assert live.talk.memories == manager.talk.memories and live.talk.memories[0].pinned
    assert render_talk(live) == render_talk(manager)
    assert all(restarted.find(odd) is None for odd in ("none", "", None, ["a"], {"a": 1}, 3))  # type: ignore[arg-type]


def test_only_so_many_talks_are_held(manager: LiveTalk) -> None:
    few = Talks(2)
    agent = manager.talk.agent
    first = few.begin(agent)
    with first.acting():
        assert not list(first.talk.say(FACT))[-1].note
    for _ in range(3):
        few.begin(agent)
    assert len(few._live) == 2
    again = few.find(first.talk.id)
    assert again is not None and again is not first and len(again.talk.memories) == 1


def test_a_named_bank_goes_from_talk_to_talk(manager: LiveTalk) -> None:
    agent = manager.talk.agent
    first = talks.begin(agent, bank="notes")
    say(first, FACT)
    second = talks.begin(agent, bank="notes")  # taken over from the first
    assert [m.text for m in second.talk.memories] == [FACT] and first.kept is None
    assert "from before this talk" in render_bank(second)
    say(second, CHANGE)
    say(first, "The city of Rilo is Dema.")  # goes on with a bank of its own
    third = Talks().find(first.talk.id)
    assert third is not None and third.kept is None and len(third.talk.memories) == 2
    second.close()
    restarted = Talks().find(second.talk.id)
    assert restarted is not None and restarted.kept is not None
    assert [m.text for m in restarted.kept.memories] == [CHANGE]
    restarted.close()
    assert "cannot be the name" in opening.begin(agent, AFTER, "a/b", "")[-1]


def test_a_talk_finds_its_named_bank_again_after_an_undone_deletion(manager: LiveTalk) -> None:
    """The memory that came back stands last in the talk and at its old place in the table."""
    live = talks.begin(manager.talk.agent, bank="undone")
    say(live, FACT, "The city of Rilo is Dema.")
    acts.press(live.talk.id, "delete", "1")
    acts.change(live.talk.id, hand.undo)
    assert [memory.id for memory in live.talk.memories] == ["2", "1"]
    live.close()
    again = Talks().find(live.talk.id)
    assert again is not None and again.kept is not None
    again.close()


def test_a_talk_keeps_no_policy_from_a_run(manager: LiveTalk) -> None:
    """Between two messages only the server's own list holds it: it lets go of it where a run wants the GPU."""
    say(manager, FACT, ASKED)
    held = weakref.ref(samplers.get(find_agent(manager.talk.agent)))
    samplers._loaded.clear()
    gc.collect()
    assert held() is None and manager.talk.sampler is None
    say(manager, ASKED)
    assert manager.talk.entries[-1].answer == "Zimo"


def test_an_agent_of_sessions_can_end_them(filled: dict[str, str]) -> None:
    shown = opening.begin("recipe:rmm-smollm2-topics", AFTER, "", "")
    assert shown[5].visible and "It reads a session" in shown[4]
    assert not opening.begin(SCRIPTED, AFTER, "", "")[5].visible


def test_one_act_at_a_time(manager: LiveTalk) -> None:
    say(manager, FACT)
    entered, leave = threading.Event(), threading.Event()

    def work() -> None:
        with manager.acting():
            entered.set()
            leave.wait(20)

    thread = threading.Thread(target=work)
    thread.start()
    entered.wait(20)
    assert "still at work" in acts.press(manager.talk.id, "delete", "1")[2]
    assert "still at work" in list(acts.send(manager.talk.id, FACT, "Ask"))[-1][2]
    acts.request_stop(manager.talk.id)
    assert manager.stop.is_set()
    leave.set()
    thread.join()
    assert not acts.press(manager.talk.id, "delete", "1")[2] and not manager.stop.is_set()


def test_a_document_is_read(manager: LiveTalk, tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "facts.pdf"
    path.write_bytes(make_pdf([[FACT], ["The city of Rilo is Dema."]]))
    shown, bank, problem = list(acts.read_file(manager.talk.id, str(path)))[-1]
    assert not problem and "facts.pdf" in shown and "2 of 3" in bank
    for name, content, said in (
        ("a.exe", b"a", "documents are"),
        ("b.pdf", b"a", "cannot be read"),
    ):
        (tmp_path / name).write_bytes(content)
        assert said in list(acts.read_file(manager.talk.id, str(tmp_path / name)))[-1][2]
    assert list(acts.read_file(manager.talk.id, None))[-1][2]


def test_what_goes_wrong_is_said(manager: LiveTalk) -> None:
    assert list(acts.send(manager.talk.id, " ", "Ask")) == [acts.view(manager)]
    assert "this talk is gone" in list(acts.send("none", FACT, "Ask"))[-1][2]
    assert "this talk is gone" in acts.press("none", "pin", "1")[2]
    acts.request_stop("none")


def test_a_session_waits_until_it_is_ended(manager: LiveTalk) -> None:
    manager.talk.waiting.append("The pet of Bako is Zimo.")
    shown = list(acts.end_session(manager.talk.id))[-1]
    assert "The session has ended" in shown[0] and len(manager.talk.memories) == 1


@BUILT
def test_both_answer_on_copies_of_one_bank(trained: str) -> None:
    agent = trained
    live = talks.begin(agent)
    say(live, FACT)
    opening.begin(agent, BOTH, "", live.talk.id)
    other = live.other
    assert other is not None and [m.text for m in other.memories] == [FACT]
    shown, bank, _ = say(live, CHANGE, ASKED)
    assert live.talk.entries[-1].answer == CHANGE and other.entries[-1].answer is not None
    assert "mf-sides" in shown and "after training" in shown and "before training" in shown
    assert "Bank after training" in bank and "Bank before training" in bank
    assert bank.count('data-act="edit"') == len(live.talk.memories), "one bank is changed by hand"
    assert read_chat(other.id) is not None, "its talk is kept too"
    opening.begin(agent, AFTER, "", live.talk.id)
    assert live.other is None and "mf-sides" not in say(live, ASKED)[0].split("mf-turn")[-1]
    assert talks.begin(agent, BEFORE).talk.label.endswith("before training")


@BUILT
def test_the_page_offers_what_its_agent_understands(trained: str) -> None:
    agent = trained
    shown, found = opening.agent_html(agent)
    assert "sentences of these kinds alone" in shown and shown.count("<button") == len(found)
    live = talks.begin(agent)
    view = list(acts.send(live.talk.id, "My sister Clara moved to Lisbon", "By question mark"))[-1]
    assert "This agent does not understand" in view[0] and not live.talk.context.events
    assert offers(live.talk.config)[0] == found[0]
    assert opening.agent_html("run:none") == ("", [])
