"""The account of needed facts against the slow way: the bank replayed after each event and searched whole."""

import random

import pytest

from memfactory_core.text import contains_words
from memfactory_core.trace import Recalled, Wrote, follow_facts, holds, replay
from memfactory_core.types import Evidence, Example, Hit, Memory

FACTS = (
    "The pet of Bako is Zimo.",
    "Ann moved to Rome. She sold the car!",
    "It rained.",
    "我住在北京。",
    "",
)
TEXTS = (
    "The pet of Bako is Zimo.", "The pet of Bako is Zimora.", "Ann moved to Rome.", "She sold the car!",
    "So it rained, and the pet of bako is zimo", "It", "rained", "Ann moved to Rome. She sold the car!",
    "我住在北京。", "我不住在北京。", "...", "the pet of",
)  # fmt: skip


def example(evidence):
    return Example(
        id="e", observations=("Nothing.",) * 3, question="?", answers=("x",), evidence=evidence
    )


def walk(rng, length):
    """A random course of writes and recalls over a small bank."""
    events, ids = [], []
    for seq in range(length):
        action = rng.choice(["add", "add", "update", "delete", "noop", "reject", "recall"])
        if action == "recall":
            hits = tuple(
                Hit(memory=Memory(id=str(i), text=rng.choice(TEXTS)))
                for i in range(rng.randrange(4))
            )
            events.append(Recalled(seq=seq, query="?", hits=hits))
            continue
        name = None
        if action == "add":
            name = str(seq)
            ids.append(name)
        elif action in ("update", "delete"):
            if not ids:
                action = "noop"
            else:
                name = ids.pop(rng.randrange(len(ids))) if action == "delete" else rng.choice(ids)
        text = None if action == "delete" else rng.choice(TEXTS)
        reason = rng.choice(["", "merged"])
        events.append(
            Wrote(seq=seq, at=0, action=action, memory_id=name, after=text, reason=reason)
        )
    return events


@pytest.mark.parametrize("seed", range(60))
def test_facts_are_followed_as_a_search_of_the_whole_bank_after_each_event_finds_them(seed):
    rng = random.Random(seed)
    needed = tuple(Evidence(text=text, observation=0) for text in FACTS)
    events = walk(rng, 40)
    followed = follow_facts(example(needed), events)
    assert list(followed) == list(needed)
    for item, holding in followed.items():
        for seq in range(len(events) + 1):
            bank = "\n".join(memory.text for memory in replay(events, seq).values())
            assert holding.held_before(seq) == contains_words(bank, item.text), (seq, item.text)
        assert holding.kept == holding.held_before(len(events))
        assert holding.stored == any(holding.held_before(s) for s in range(len(events) + 1))
        brought = [
            event.seq
            for event in events
            if isinstance(event, Recalled)
            and contains_words("\n".join(hit.memory.text for hit in event.hits), item.text)
        ]
        assert list(holding.recalls) == brought


def test_a_loss_names_the_write_and_how():
    fact = Evidence(text="The pet of Bako is Zimo.", observation=0)
    writes = [
        Wrote(seq=0, at=0, action="add", memory_id="1", after=fact.text),
        Wrote(seq=1, at=1, action="update", memory_id="1", before=fact.text, after="It rained."),
        Wrote(seq=2, at=1, action="add", memory_id="2", after=fact.text),
        Wrote(seq=3, at=2, action="add", memory_id="3", after=f"So {fact.text}"),
        Wrote(seq=4, at=2, action="delete", memory_id="2", before=fact.text),
        Wrote(seq=5, at=2, action="update", memory_id="3", after="It.", reason="merged"),
    ]
    holding = follow_facts(example((fact,)), writes)[fact]
    assert [(s.since, s.until, s.how) for s in holding.stays] == [
        (0, 1, "overwritten"), (2, 5, "merged_away"),
    ]  # fmt: skip
    assert holding.last_loss().until == 5 and holding.last_loss(before=5).until == 1
    assert holding.last_loss(before=1) is None
    assert (holding.stored, holding.kept, holding.told) == (True, False, 0)
    gone = follow_facts(example((fact,)), writes[:1] + [
        Wrote(seq=1, at=1, action="delete", memory_id="1", before=fact.text)
    ])[fact]  # fmt: skip
    assert gone.last_loss().how == "deleted"


def test_where_a_fact_was_told():
    shown = Example(
        id="e", observations=("Hello.", "So the pet of Bako is Zimo, then."), question="?", answers=(),
        evidence=(Evidence(text="The pet of Bako is Zimo."), Evidence(text="It rained.")),
    )  # fmt: skip
    assert [holding.told for holding in follow_facts(shown, []).values()] == [1, None]


def test_holds_is_the_containment_of_words():
    for text in TEXTS:
        for fact in FACTS:
            assert holds(text, Evidence(text=fact)) == contains_words(text, fact), (text, fact)
