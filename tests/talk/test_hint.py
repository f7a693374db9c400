"""What is in a message, what a small agent understands of it, and the sentences that it is offered with."""

import pytest

from memfactory_core import config
from memfactory_core.errors import ConfigError
from memfactory_core.rewards.answers import is_right
from memfactory_core.talk.hint import hear
from memfactory_core.talk.message import take_apart
from memfactory_core.talk.offers import offers
from memfactory_core.tasks.spoken import read_fact
from memfactory_core.types import Question
from tests.talk.talks import ASKED, BUILT, FACT, say, scripted, shipped, tiny

MR1, NEEDLE = config.load("memory-r1-tiny"), config.load("memagent-tiny")
FILE = config.build(
    config.read("memory-r1-tiny") | {"task": {"kind": "jsonl", "path": "a.jsonl"}, "evaluation": {}}
)


@pytest.mark.parametrize(
    ("text", "how", "sections", "question"),
    [
        (FACT, "auto", (FACT,), ""),
        (ASKED, "auto", (), ASKED),
        (f"{FACT} {ASKED}", "auto", (FACT,), ASKED),
        (f"{FACT}\n{ASKED} ", "auto", (FACT,), ASKED),
        (ASKED, "remember", (ASKED,), ""),
        (FACT, "ask", (), FACT),
        ("She asked “Who?”", "auto", (), "She asked “Who?”"),
        ("アンの猫は？", "auto", (), "アンの猫は？"),
        (f"{ASKED} {FACT}", "auto", (ASKED, FACT), ""),
    ],
)
def test_what_ends_with_a_question_mark_is_asked(text, how, sections, question):
    words = take_apart(text, how, MR1)
    assert (words.sections, words.question) == (sections, question)


def test_a_task_says_how_much_is_read_at_once():
    four = " ".join(f"The pet of Bako{i} is Zimo." for i in range(4))
    assert len(take_apart(four, "auto", MR1).sections) == 4
    assert len(take_apart(four, "auto", NEEDLE).sections) == 2
    assert take_apart(four, "auto", FILE).sections == (four,)


@pytest.mark.parametrize(
    ("text", "how", "problem"),
    [
        ("  ", "auto", "empty"),
        ("a" * 200_001, "auto", "200,000"),
        ("Yes. " * 401, "remember", "401 sections"),
        ("a" * 2001 + "?", "auto", "2,000"),
    ],
)
def test_a_message_that_is_too_much_is_refused(text, how, problem):
    with pytest.raises(ConfigError, match=problem):
        take_apart(text, how, MR1)


@pytest.mark.parametrize(
    "text",
    [
        FACT, ASKED, "The pet of Bako is gone.", "Bako said hello.", "It was a long day for Rilo.",
        "The pet of Maria is Felix.", "The city of Dr Bako is New Rilo.", f"{FACT} {ASKED}",
    ],
)  # fmt: skip
def test_the_small_language_is_understood(text):
    assert hear(text, MR1) == (text, "")


@pytest.mark.parametrize(
    "text",
    [
        "My sister Clara moved to Lisbon", "Where does Bako live?", "Hello!", "Bako has a pet.",
        "The capital of the old world is a place that everyone loved.", "Die Katze heißt Felix.",
        f"{FACT} My sister moved.", "The pet of Bako is Zimo and the city of Rilo is Dema.",
        "What is the pet of the man who lives next door?",
    ],
)  # fmt: skip
def test_other_words_get_a_hint(text):
    _, hint = hear(text, MR1)
    assert hint.startswith("This agent does not understand") and "is gone." in hint
    assert (
        hear(text, config.load("memory-r1-tiny", ["mode=evaluate", "policy=scripted", "roles={}"]))[
            1
        ]
        == ""
    )


def test_a_missing_full_stop_is_added():
    assert hear("The pet of Bako is Zimo", MR1) == (FACT, "")


def test_an_english_task_has_english_hints_and_offers():
    english = config.load(
        "memory-r1-tiny", ["task.language=english", "evaluation.task.language=english"]
    )
    assert hear("The pet of Bako is Zimo.", english)[1]
    assert all(hear(offer.message, english)[1] == "" for offer in offers(english))
    assert not any(offer.message.startswith("The pet of") for offer in offers(english))


@BUILT
def test_a_hint_asks_nothing_of_the_policy():
    talk = tiny("memory-r1-tiny")
    (entry,) = talk.say("My sister Clara moved to Lisbon")
    assert entry.kind == "hint" and "“My sister Clara moved to Lisbon”" in entry.note
    assert not talk.context.events and not talk.memories
    (entry,) = talk.read_document("a.txt", "Clara moved. She likes it. It is warm.")
    assert entry.kind == "hint" and entry.sections == 0


@pytest.mark.parametrize(
    "recipe", ["memagent-tiny", "memory-r1-tiny", "rmm-tiny", "rmm-smollm2-topics"]
)
def test_offers_are_understood_and_show_all_that_can_happen(recipe):
    chosen = config.load(recipe)
    found = offers(chosen)
    assert [o.label for o in found] == [
        "Tell and ask",
        "Tell",
        "Ask",
        "Change",
        "Take back",
        "Chat",
    ]
    assert all(hear(offer.message, chosen)[1] == "" for offer in found)
    assert found[2].message.endswith("?") and found[0].message.endswith("?")


@BUILT
@pytest.mark.parametrize("name", ["memagent", "memory_r1"])
def test_the_shipped_agents_answer_their_own_first_example(name):
    talk = shipped(name)
    message = offers(talk.config)[0].message
    told, question = message.rsplit(". ", 1)
    asked = take_apart(question, "ask", talk.config).question
    facts = [
        fact for s in f"{told}.".split(". ") if (fact := read_fact(s)) and fact.question == asked
    ]
    (answer,) = say(talk, message)
    assert is_right(answer, Question(question=asked, answers=facts[-1].answers)) == 1


def test_scripted_agents_take_any_words():
    talk = scripted("memory-r1-tiny")
    assert say(talk, "My sister Clara moved to Lisbon.", "Where did Clara move?")[1]
