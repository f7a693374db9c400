"""Six turns with each paradigm (a fact, a change, a retraction, a question about each), and what becomes of a talk:
it stops, it fails, it is kept as a trace and taken up again."""

from collections.abc import Sequence

import pytest

from memfactory_core import config
from memfactory_core.dialects.chat import Chat
from memfactory_core.episode import Ask, Sampler
from memfactory_core.errors import ConfigError
from memfactory_core.explain import story
from memfactory_core.runs import chats
from memfactory_core.talk.talk import Talk, talk_entries
from memfactory_core.trace import Failed, Recalled, Wrote, replay
from memfactory_core.types import Completion
from tests.talk.talks import (
    ASKED,
    BUILT,
    CHANGE,
    FACT,
    GONE,
    TURNS,
    check_trace,
    say,
    scripted,
    shipped,
    texts,
    tiny,
    writes,
)


def test_memory_r1_keeps_its_bank_true_over_six_turns():
    talk = scripted("memory-r1-tiny")
    assert say(talk, *TURNS) == [None, "Zimo", None, "Rilo", None, "Unknown."]
    assert [action for _, action in writes(talk)] == ["add", "update", "delete"]
    assert talk.memories == []


@pytest.mark.parametrize(
    ("strategy", "answers"), [("last", ["Zimo", "Rilo", "Zimo"]), ("nothing", ["Unknown."] * 3)]
)
def test_memagent_rewrites_its_memory_at_each_message(strategy, answers):
    talk = scripted("memagent-tiny", f"policy.strategy={strategy}")
    assert say(talk, *TURNS)[1::2] == answers
    assert len([e for e in talk.context.events if isinstance(e, Wrote)]) == 3, "one for each fact"


def test_memagent_reads_for_the_question_that_it_knows():
    talk = scripted("memagent-tiny")
    facts = "The city of Rilo is Dema. The boat of Tavi is Zuve. The pet of Bako is Zimo."
    assert say(talk, f"{facts} {ASKED}") == ["Zimo"]
    first = [turn for turn in talk.context.turns if turn.role == "update"][0]
    assert f"Question: {ASKED}" in first.messages[-1]["content"]
    say(talk, "The song of Nalu is Pemi.")
    last = [turn for turn in talk.context.turns if turn.role == "update"][-1]
    assert f"Question: {ASKED}" in last.messages[-1]["content"], "the last question goes on"


def test_rmm_reads_what_its_reranker_chooses():
    talk = scripted("rmm-tiny", "paradigm.retriever.candidates.kind=bm25")
    assert say(talk, *TURNS)[1] == "Zimo"
    assert texts(talk) == [FACT, CHANGE, GONE], "it adds only"
    read = [e for e in talk.context.events if isinstance(e, Recalled) and e.at is None]
    assert len(read) == 6, "candidates and choice, for each question"
    assert [len(e.hits) for e in read[1::2]] == [1, 1, 1]


def test_retrieval_keeps_everything():
    talk = scripted("memory-r1-tiny", "paradigm.kind=retrieval")
    assert say(talk, *TURNS)[1::2] == ["Zimo"] * 3 and len(talk.memories) == 3


@BUILT
def test_the_trained_manager_changes_and_takes_back():
    talk = shipped("memory_r1")
    answers = say(talk, *TURNS)
    assert answers[1] == FACT and answers[3] == CHANGE and answers[5] == "Unknown."
    assert [action for _, action in writes(talk)] == ["add", "update", "delete"]


@BUILT
def test_the_trained_reader_keeps_what_the_question_needs():
    talk = shipped("memagent")
    others = "The boat of Tavi is Tuve. The song of Nalu is Pemi. The pet of Rilo is Hano."
    assert say(talk, f"{FACT} {others} {ASKED}") == [FACT]
    assert len(talk.context.example.observations) == 2, "three sentences in a section"
    say(talk, *TURNS[2:])
    (memory,) = talk.memories
    assert len(memory.text) <= 64 and len(talk.entries) == 6


@BUILT
@pytest.mark.parametrize("recipe", ["memagent-tiny", "memory-r1-tiny", "rmm-tiny"])
def test_an_untrained_agent_can_be_talked_with(recipe):
    talk = tiny(recipe)
    answers = say(talk, *TURNS)
    assert all(isinstance(answer, str) and answer for answer in answers[1::2])
    assert answers[::2] == [None] * 3


def test_a_message_is_told_sentence_by_sentence_and_then_asked():
    talk = scripted("memory-r1-tiny")
    entries = {id(e): e for e in talk.say(f"{FACT} {CHANGE} {ASKED}")}.values()
    assert [(e.kind, e.sections, e.read, e.answer) for e in entries] == [
        ("told", 2, 2, None),
        ("asked", 0, 0, "Rilo"),
    ]
    assert talk.context.example.observations == (FACT, CHANGE)


def test_a_session_is_read_at_its_end():
    settings = ["mode=evaluate", "policy=hf", "policy.model=any", "roles={}"]
    chosen = config.load("memory-r1-tiny", [*settings, "paradigm.extractor=topics"])
    talk = Talk("topics", "recipe:topics", chosen, Topical())
    for message in ("Ann has a cat.", "Bob has a dog."):
        (entry,) = talk.say(message)
        assert "end of the session" in entry.note
    assert talk.waiting == ["Ann has a cat.", "Bob has a dog."] and not talk.memories
    entries = {id(e): e for e in talk.say("Who has a cat?")}.values()
    assert [e.kind for e in entries] == ["session", "asked"]
    assert talk.context.example.observations == ("Ann has a cat.\nBob has a dog.",)
    assert texts(talk) == ["Ann has a cat."] and not talk.waiting
    assert list(talk.end_session()) == [], "nothing waits"


class Topical(Sampler):
    """Sums up a session and adds what it finds."""

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        said = {"extract": "Ann has a cat.", "manage": "ADD Ann has a cat.", "answer": "Ann"}
        return [Completion(text=said[ask.role]) for ask in asks]


def test_a_stop_takes_effect_before_the_policy_is_asked_again():
    talk = scripted("memory-r1-tiny")
    asked = []

    def stopped() -> bool:
        asked.append(len(talk.context.turns))
        return len(asked) > 2

    entry = list(talk.say(f"{FACT} The city of Rilo is Dema. {CHANGE}", stopped=stopped))[-1]
    assert (entry.read, entry.sections, entry.note) == (2, 3, "Stopped.")
    assert len(talk.memories) == 2
    check_trace(talk)
    assert say(talk, ASKED) == ["Zimo"], "the talk goes on"


def test_an_agent_that_fails_leaves_the_talk_usable(caplog):
    class Broken(Sampler):
        def complete(self, asks, temperature):
            raise OSError("no room")

    talk = scripted("memory-r1-tiny")
    whole, talk.sampler = talk.sampler, Broken()
    entry = list(talk.say(FACT))[-1]
    assert entry.note == "The agent failed (OSError: no room)" and "no room" in caplog.text
    assert isinstance(talk.context.events[-1], Failed)
    talk.sampler = whole
    assert say(talk, FACT, ASKED)[1] == "Zimo"


class Thinking(Sampler):
    """A chat model that thinks aloud and writes markdown."""

    def dialect_of(self, role: str) -> Chat:
        return Chat()

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        said = {"manage": "<think>NOOP?</think>**ADD:** Ann likes tea.", "answer": "Tea"}
        return [Completion(text=said[ask.role]) for ask in asks]


def test_a_chat_model_is_read_in_its_own_dialect():
    chosen = config.load("memory-r1-tiny", ["mode=evaluate", "policy=scripted", "roles={}"])
    talk = Talk("x", "recipe:x", chosen, Thinking())
    assert say(talk, "Ann likes tea.", "What does Ann like?") == [None, "Tea"]
    assert texts(talk) == ["Ann likes tea."]
    assert talk.context.turns[0].completion.thinking == "NOOP?"


class Boxed(Thinking):
    """A chat model that puts its answer into a box, as it is asked to."""

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        said = {"manage": "ADD: Ann likes tea.", "answer": "It is \\boxed{Tea}."}
        return [Completion(text=said[ask.role]) for ask in asks]


def test_an_answer_in_a_box_is_shown_without_it_and_kept_with_it():
    chosen = config.load("memory-r1-tiny", ["mode=evaluate", "policy=scripted", "roles={}"])
    talk = Talk("x", "recipe:x", chosen, Boxed())
    assert say(talk, "Ann likes tea.", "What does Ann like?") == [None, "Tea"]
    assert talk.context.turns[-1].completion.text == "It is \\boxed{Tea}."


def test_a_talk_is_kept_and_taken_up(lab):
    talk = scripted("memory-r1-tiny")
    say(talk, *TURNS[:4])
    chats.save(lab, talk.label, talk.episode())
    kept = chats.get(lab, talk.id)
    assert [e.kind for e in talk_entries(kept)] == ["told", "asked", "told", "asked"]
    assert [q.question for q in kept.example.questions] == [ASKED, ASKED]
    assert (kept.answer, kept.other_answers) == ("Zimo", ("Rilo",))
    assert kept.example.evidence[0].text == CHANGE, "what is true in the end"
    again = scripted("memory-r1-tiny")
    again.take_up(kept)
    assert again.memories == talk.memories and again.entries == talk.entries
    assert again.id == talk.id
    assert say(again, ASKED, GONE, ASKED) == ["Rilo", None, "Unknown."]
    say(again, "The city of Rilo is Dema.")
    assert [m.id for m in again.memories] == ["2"], "no id is used twice"
    assert [s.text for s in story.sections(again.episode().example, again.episode().events)][
        :2
    ] == [FACT, CHANGE]


def test_a_copy_goes_its_own_way():
    talk = scripted("memory-r1-tiny")
    say(talk, FACT)
    other = scripted("memory-r1-tiny", "policy.strategy=nothing")
    copy = talk.copy_for("before", "recipe:other", other.config, other.sampler)
    assert copy.id != talk.id and copy.memories == talk.memories
    assert say(talk, CHANGE, ASKED)[1] == "Rilo" and say(copy, CHANGE, ASKED)[1] == "Zimo"
    assert texts(talk) == [CHANGE] and texts(copy) == [FACT]


def test_a_bank_that_does_not_fit_is_refused():
    talk = scripted("rmm-tiny")
    say(talk, *(f"The pet of Bako{n} is Zimo." for n in range(4)))
    with pytest.raises(ConfigError, match="4 memories do not fit: it holds 3"):
        scripted("memory-r1-tiny").open_bank(talk.memories, 5, "big")


def test_events_before_a_moment_give_its_bank():
    talk = scripted("memory-r1-tiny")
    banks = []
    for message in TURNS:
        say(talk, message)
        banks.append((len(talk.context.events), list(talk.memories)))
    for count, bank in banks:
        assert list(replay(talk.context.events, count).values()) == bank


@BUILT
def test_an_answer_is_heard_as_it_is_said_and_stops_in_the_midst():
    talk = shipped("memory_r1")
    say(talk, FACT)
    heard = [entry.partial for entry in talk.say(ASKED) if entry.partial]
    assert talk.entries[-1].answer == FACT and heard, "a part was seen before the whole"
    assert all(FACT.startswith(part) for part in heard)

    ask = Ask("answer", tuple(talk.context.turns[-1].messages), 16, False, {}, talk.context.example)
    parts: list[str] = []

    def hear(text: str) -> bool:
        parts.append(text)
        return len(parts) < 4

    said = talk.sampler.stream(ask, 0.0, hear)
    assert len(parts) == 4 and said.completion_ids is not None and len(said.completion_ids) == 4
    assert said.finish_reason == "length" and FACT.startswith(said.text) and said.text != FACT
    assert talk.sampler.stream(ask, 0.0, lambda text: True) == talk.sampler.complete([ask], 0.0)[0]


def test_a_stopped_answer_keeps_what_was_said():
    class Slow(Sampler):
        def stream(self, ask, temperature, heard):
            words = ["Zimo", "Zimo and", "Zimo and Rilo"]
            said = next((text for text in words if not heard(text)), words[-1])
            return Completion(text=said)

    talk = scripted("memory-r1-tiny")
    say(talk, FACT)
    talk.sampler = Slow()
    asked = iter([False, False, *[True] * 9])
    entry = list(talk.say(ASKED, stopped=lambda: next(asked)))[-1]
    assert entry.note == "Stopped." and entry.answer in ("Zimo", "Zimo and")
    check_trace(talk)


def test_an_answer_that_fails_in_its_thread_is_said():
    class Broken(Sampler):
        def complete(self, asks, temperature):
            raise OSError("the line is dead")

    talk = scripted("memory-r1-tiny")
    talk.sampler = Broken()
    assert list(talk.say(ASKED))[-1].note == "The agent failed (OSError: the line is dead)"
