"""What a user changes in the bank by hand is in the trace, and is felt by the next answer."""

import random

import pytest

from memfactory_core.errors import ConfigError
from memfactory_core.explain import story
from memfactory_core.talk import hand
from memfactory_core.talk.bank_file import read_lines, write_lines
from memfactory_core.trace import Pinned, Wrote, replay
from tests.talk.talks import ASKED, CHANGE, FACT, GONE, check_trace, say, scripted, texts, writes


def test_undo_changes_the_next_answer():
    talk = scripted("memory-r1-tiny")
    assert say(talk, FACT, CHANGE, ASKED)[-1] == "Rilo"
    hand.undo(talk)
    assert say(talk, ASKED) == ["Zimo"]
    hand.undo(talk)
    assert say(talk, ASKED) == ["Unknown."] and not talk.memories
    with pytest.raises(ConfigError, match="no write to take back"):
        hand.undo(talk)
    assert writes(talk) == [
        ("agent", "add"), ("agent", "update"), ("user", "update"), ("user", "delete"),
    ]  # fmt: skip
    assert [e.undoes for e in talk.context.events if isinstance(e, Wrote)][2:] == [
        talk.entries[1].first + 2,
        talk.entries[0].first + 2,
    ]


def test_a_deleted_memory_comes_back_under_its_own_id():
    talk = scripted("memory-r1-tiny")
    say(talk, FACT, "The city of Rilo is Dema.", GONE)
    hand.undo(talk)
    assert {m.id: m.text for m in talk.memories}["1"] == FACT
    check_trace(talk)
    assert say(talk, ASKED) == ["Zimo"]


@pytest.mark.parametrize("recipe", ["memory-r1-tiny", "memagent-tiny", "rmm-tiny"])
def test_undo_after_undo_leads_back_to_every_bank_that_there_was(recipe):
    talk = scripted(recipe, "policy.strategy=last")
    rng = random.Random(recipe)
    for _ in range(12):
        name, value = rng.choice(("Bako", "Rilo")), rng.choice(("Zimo", "Dema", "Tuve"))
        say(talk, rng.choice((f"The pet of {name} is {value}.", f"The pet of {name} is gone.")))
    changes = [e for e in talk.context.events if isinstance(e, Wrote) and e.memory_id]
    changes = [e for e in changes if e.action in ("add", "update", "delete")]
    for event in reversed(changes):
        hand.undo(talk)
        before = replay(talk.context.events, event.seq)
        assert {m.id: m.text for m in talk.memories} == {i: m.text for i, m in before.items()}
    assert not talk.memories
    check_trace(talk)


def test_a_pinned_memory_stays_whoever_wants_to_change_it():
    talk = scripted("memory-r1-tiny")
    say(talk, FACT)
    hand.pin(talk, "1")
    assert talk.memories[0].pinned and isinstance(talk.context.events[-1], Pinned)
    say(talk, CHANGE, GONE)
    refused = [e for e in talk.context.events if isinstance(e, Wrote) and e.action == "reject"]
    assert [(e.who, e.memory_id) for e in refused] == [("agent", "1")] * 2
    assert {e.reason for e in refused} == {"memory 1 is pinned: it stays as it is"}
    for entry in (hand.edit(talk, "1", "x"), hand.delete(talk, "1"), hand.undo(talk)):
        assert entry.note == "Refused: memory 1 is pinned: it stays as it is"
    assert hand.wipe(talk).note == "" and texts(talk) == [FACT], "wiping leaves what is pinned"
    check_trace(talk)
    hand.pin(talk, "1", False)
    assert say(talk, CHANGE, ASKED)[1] == "Rilo"


def test_memagent_cannot_rewrite_a_pinned_memory():
    talk = scripted("memagent-tiny")
    say(talk, f"{FACT} {ASKED}")
    hand.pin(talk, "1")
    assert say(talk, f"The boat of Tavi is Tuve. {ASKED}") == ["Zimo"]
    assert texts(talk) == [FACT]


def test_edit_delete_and_wipe_are_the_users_events():
    talk = scripted("memory-r1-tiny")
    say(talk, FACT, "The city of Rilo is Dema.")
    hand.edit(talk, "1", CHANGE)
    assert say(talk, ASKED) == ["Rilo"]
    hand.delete(talk, "2")
    hand.wipe(talk)
    assert not talk.memories
    assert writes(talk)[2:] == [("user", "update"), ("user", "delete"), ("user", "delete")]
    assert hand.edit(talk, "9", "x").note == "Refused: there is no memory '9' to update"
    assert hand.edit(talk, "1", " ").note.startswith("Refused")
    assert hand.pin(talk, "9").note == "Refused: there is no memory '9' to pin"
    check_trace(talk)


def test_the_story_of_the_sections_knows_what_was_changed_between_them():
    talk = scripted("memory-r1-tiny")
    say(talk, FACT)
    hand.edit(talk, "1", CHANGE)
    say(talk, "The city of Rilo is Dema.")
    told = story.sections(talk.episode().example, talk.episode().events)
    assert [[m.text for m in section.before] for section in told] == [[], [CHANGE]]


def test_a_bank_goes_out_and_comes_in_as_lines():
    talk = scripted("memory-r1-tiny")
    say(talk, FACT, "The city of Rilo is Dema.")
    hand.pin(talk, "2")
    lines = write_lines(talk.memories)
    other = scripted("memory-r1-tiny")
    say(other, "The boat of Tavi is Tuve.")
    assert not hand.bring(other, read_lines(lines.encode())).note
    assert texts(other)[1:] == texts(talk) and [m.pinned for m in other.memories][1:] == [0, 1]
    assert [m.id for m in other.memories] == ["1", "2", "3"]
    assert say(other, ASKED) == ["Zimo"]
    full = hand.bring(other, read_lines(lines.encode()))
    assert full.note == "Refused: the bank is full: it holds 3 memories"
    check_trace(other)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff", "not UTF-8"),
        (b'{"text": "a"}\nno', "line 2 is no JSON"),
        (b'{"words": "a"}', "line 1 is no memory"),
        (b'["a"]', "line 1 is no memory"),
        (b'{"text": " "}', "line 1 is no memory"),
        (b'{"text": "a", "pinned": "yes"}', "line 1: `key` is a text"),
        (b'{"text": "a", "x": NaN}', "line 1 is no JSON"),
        (b'{"text": "a"}\n' * 10_001, "10,000 are read at most"),
    ],
)
def test_a_file_that_is_no_bank_is_refused_with_its_line(content, problem):
    with pytest.raises(ConfigError, match=problem):
        read_lines(content)
