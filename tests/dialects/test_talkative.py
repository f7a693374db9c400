"""Hundreds of replies in whole episodes, counted by role: what is clear is understood as it was meant, refusals and
what is not clear change nothing."""

from collections import Counter

import pytest

from memfactory_core.config import load
from memfactory_core.dialects.chat import Chat
from memfactory_core.episode import run_episodes
from memfactory_core.paradigms import Paradigm
from memfactory_core.rewards import measure
from memfactory_core.rewards.answers import extract_answer
from memfactory_core.trace import Asked, Wrote
from memfactory_core.types import Memory
from tests.talkative import REFUSALS, Talkative

SEARCH = {"kind": "search", "inner": {"kind": "bm25", "top_k": 5}}
KEYED = {"kind": "crud", "keys": True}
PARADIGMS = {
    "memagent": ("needle", {"retriever": {"kind": "search", "inner": "everything"}}),
    "memory_r1": ("dialogue", {"extractor": "facts", "updater": KEYED, "retriever": SEARCH, "cites": True}),
    "rmm": ("dialogue", {
        "extractor": "topics", "updater": {"kind": "merge", "keys": True}, "cites": True,
        "retriever": {"kind": "rerank_llm", "candidates": {"kind": "recency", "top_k": 5}},
    }),
    "retrieval": ("dialogue", {"updater": {"kind": "append", "keys": True}, "retriever": SEARCH}),
}  # fmt: skip
ROLES = {
    "memagent": {"update", "search", "answer"},
    "memory_r1": {"extract", "manage", "index", "search", "answer"},
    "rmm": {"extract", "merge", "index", "rerank", "answer"},
    "retrieval": {"index", "search", "answer"},
}
SHARE = 0.05
"""The most that may be rejected, or misunderstood, of what is clear."""


def play(kind, seed, count=40):
    task, settings = PARADIGMS[kind]
    paradigm = Paradigm.model_validate({"kind": kind, **settings})
    examples = load("memagent-tiny", [f"task.kind={task}"]).task.examples(count, seed)
    sampler = Talkative(seed)
    asked = [e.model_copy(update={"answers": ("Oslo",), "others": ()}) for e in examples]
    return run_episodes(paradigm, sampler, asked), sampler


def understood(role, facts, text):
    """What the chat dialect makes of a reply, in the words of `Talkative`'s meanings."""
    dialect = Chat()
    if role in ("manage", "merge"):
        ops = dialect.read_operations(text, facts["related"], facts["fact"], role == "merge")
        op = ops[0]
        stored = op.text if op.action in ("add", "update") else None
        return (op.action, op.memory_id, stored) if len(ops) == 1 else ops
    if role == "rerank":
        return [memory.id for memory in dialect.read_choice(text, facts["candidates"])[0]]
    if role == "extract":
        return dialect.read_facts(text, facts["observation"])
    if role == "update":
        return dialect.read_memory(text, f"{facts['memory']} {facts['section']}")[0]
    if role == "search":
        return dialect.read_query(text, facts["question"])[0]
    if role == "index":
        return dialect.read_key(text, facts["text"])[0]
    if not facts.get("cites"):
        return None, extract_answer(dialect.read_answer(text)).strip("*. ")
    cited, answer, _ = dialect.read_citations(text, facts["memories"])
    return sorted(memory.id for memory in cited), extract_answer(answer).strip("*. ")


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", PARADIGMS)
def test_what_is_clear_passes_every_role(kind, seed):
    episodes, sampler = play(kind, seed)
    asked, refused = Counter(), Counter()
    for episode in episodes:
        role = ""
        for event in episode.events:
            if isinstance(event, Asked):
                role = event.role
                asked[role] += 1
            elif isinstance(event, Wrote) and event.action == "reject":
                refused[role] += 1
    assert set(asked) == ROLES[kind] and sum(asked.values()) >= 100
    told = [(e.reason, e.after) for one in episodes for e in one.events
            if isinstance(e, Wrote) and e.action == "reject"]  # fmt: skip
    assert all(refused[role] <= SHARE * asked[role] for role in asked), (refused, told[:8])
    wrong: dict[str, list] = {}
    for role, facts, meaning, text in sampler.said:
        if (found := understood(role, facts, text)) != meaning:
            wrong.setdefault(role, []).append((meaning, found, text))
    few = {
        role: several[:4] for role, several in wrong.items() if len(several) > SHARE * asked[role]
    }
    assert not few
    right = [measure(episode)["exact_match"] for episode in episodes]
    assert sum(right) >= (1 - SHARE) * len(right)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_changes_nothing_in_any_role(refusal):
    dialect, bank = Chat(), [Memory(id="1", text="Ann has a dog.")]
    for merging in (False, True):
        [op] = dialect.read_operations(refusal, bank, "A fact.", merging)
        assert op.action == "reject"
    assert dialect.read_choice(refusal, bank)[0] == [] and dialect.read_choice(refusal, bank)[1]
    assert dialect.read_facts(refusal) == []
    assert dialect.read_memory(refusal)[1] and dialect.read_query(refusal)[1]
    assert dialect.read_key(refusal)[1] and dialect.read_citations(refusal, bank)[2]


UNCLEAR = [
    '{"op": "UPDATE", "text": "Ann has two dogs."}', "UPDATE Ann has two dogs.",
    '{"op": "UPDATE", "id": 9, "text": "x"}', '{"op": "DELETE"}', "DELETE the old one",
    '{"op": "UPDATE", "id": [1, 2], "text": "Ann has two dogs."}', "UPDATE #1 #2 to",
    '{"op": "DELETE", "id": "1 or 2"}', "Maybe UPDATE or maybe ADD?", "UPDATE memory to Ann has two dogs.",
    '{"op": "UPDATE", "id": "the first", "text": "Ann has two dogs."}',
]  # fmt: skip


@pytest.mark.parametrize("said", UNCLEAR)
def test_a_target_is_never_guessed(said):
    bank = [Memory(id="1", text="Ann has a dog."), Memory(id="2", text="Ann has a cat.")]
    ops = Chat().read_operations(said, bank, "Ann has two dogs.")
    assert [op.action for op in ops] == ["reject"], ops
