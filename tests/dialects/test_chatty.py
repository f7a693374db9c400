"""A model that means the right thing and says it as chat models do passes every role of every paradigm; thousands of
mutated outputs raise nothing and never make an operation a memory."""

import random
import re
import time

import pytest

from memfactory_core.config import load
from memfactory_core.dialects.chat import Chat
from memfactory_core.dialects.quoted import Quoted
from memfactory_core.dialects.thinking import split_thinking
from memfactory_core.episode import run_episodes
from memfactory_core.rewards import measure
from memfactory_core.rewards.answers import exact_match, f1
from memfactory_core.trace import Wrote, replay
from memfactory_core.types import Memory
from tests.chatty import ChattySampler
from tests.conftest import some
from tests.dialects.test_operations import REJECTED, UNDERSTOOD

ROLES = {
    "memagent-tiny": {"update", "answer"},
    "memory-r1-tiny": {"extract", "manage", "answer"},
    "rmm-tiny": {"extract", "merge", "rerank", "answer"},
}
PARTS = {"memory-r1-tiny": ["policy=hf", "paradigm.extractor=facts"],
         "rmm-tiny": ["policy=hf", "paradigm.extractor=topics", "paradigm.updater=merge"]}  # fmt: skip
VERBS = re.compile(r"\b(ADD|UPDATE|DELETE|NOOP|MERGE)\b")


def play(recipe, sampler, count=20):
    config = load(recipe, PARTS.get(recipe, []))
    examples = [
        example.model_copy(update={"answers": ("Paris",), "others": ()})
        for example in config.task.examples(count, 3)
    ]
    return run_episodes(config.paradigm, sampler, examples)


@pytest.mark.parametrize("recipe", ROLES)
def test_a_chatty_model_is_understood_in_every_role(recipe):
    sampler = ChattySampler(seed=1)
    episodes = play(recipe, sampler)
    assert {turn.role for episode in episodes for turn in episode.turns} == ROLES[recipe]
    writes = [e for episode in episodes for e in episode.events if isinstance(e, Wrote)]
    refused = [event for event in writes if event.action == "reject"]
    told = [(event.reason, event.after) for event in refused[:5]]
    assert len(refused) <= 0.05 * sampler.decisions, told
    assert all(measure(episode)["exact_match"] == 1.0 for episode in episodes)
    stored = [m.text for episode in episodes for m in replay(episode.events).values()]
    assert stored and not any(VERBS.search(t) or "think" in t or "**" in t for t in stored)


@pytest.mark.parametrize("recipe", ROLES)
def test_refusals_are_rejected_and_nothing_of_them_is_kept(recipe):
    sampler = ChattySampler(seed=2, refuses=1.0)
    episodes = play(recipe, sampler, count=5)
    stored = [m.text for episode in episodes for m in replay(episode.events).values()]
    assert not any("sorry" in text or "language model" in text for text in stored)


BANK = [Memory(id=str(i), text=f"The pet of Bako{i} is Zimo.") for i in range(1, 6)]
PIECES = [
    "```",
    "```json",
    "**",
    "\n",
    "\n\n",
    "#3",
    "#",
    "<think>",
    "</think>",
    "{",
    "}",
    "[",
    "]",
    '"',
    "'",
    ":",
    ",",
    "ADD ",
    "UPDATE ",
    "DELETE ",
    "NOOP",
    "MERGE ",
    " to ",
    "operation",
    "\\",
    "\x00",
    "\ud800",
    "\u200b",
    "北京",
    "1. ",
    "- ",
    "(",
    ")",
    "\\boxed{",
    "because",
    "None",
    "|",
    "\t",
    "\r",
]


def mutate(text, rng):
    for _ in range(rng.randint(1, 4)):
        place = rng.randint(0, len(text))
        end = min(len(text), place + rng.randint(0, 12))
        text = rng.choice(
            [
                text[:place] + rng.choice(PIECES) + text[place:],
                text[:place] + text[end:],
                text[:end] + text[place:],
                text[:place] + rng.choice(UNDERSTOOD)[0] + text[end:],
                text.swapcase() if rng.random() < 0.1 else text + rng.choice(PIECES),
            ]
        )
    return text


@pytest.mark.parametrize("dialect", [Chat(), Quoted()])
def test_mutated_outputs_raise_nothing_and_no_memory_holds_an_operation(dialect):
    rng = random.Random(0)
    seeds = [said for said, _ in [*UNDERSTOOD, *REJECTED] if len(said) < 1000]
    for _ in range(3000):
        said = mutate(rng.choice(seeds), rng)
        _, text = split_thinking(said)
        for merging in (False, True):
            ops = dialect.read_operations(text, BANK, "The pet of Bako is Rilo.", merging)
            assert ops and (len(ops) == 1 or all(op.action != "reject" for op in ops))
            for op in ops:
                assert op.action != "reject" or op.reason
                assert op.action not in ("add", "update") or (
                    op.text and not VERBS.search(op.text)
                ), said
                assert op.action not in ("update", "delete") or op.memory_id in {m.id for m in BANK}
        facts = dialect.read_facts(text, "The pet of Bako is Rilo.")
        assert not any(VERBS.search(fact) or not fact.strip() for fact in facts), said
        memory, wrong = dialect.read_memory(text, "The pet of Bako is Rilo.")
        assert wrong or not VERBS.search(memory), said
        chosen, wrong = dialect.read_choice(text, BANK)
        assert all(memory in BANK for memory in chosen)
        assert 0.0 <= exact_match(said, ["Paris"]) <= f1(said, ["Paris"]) <= 1.0


HARD = [
    "UPDATE ",
    "UPDATE #1 ",
    "ADD ",
    "#",
    "#1 to ",
    " ",
    "\n",
    "\t \n",
    "{",
    "[",
    '{"a":',
    '"',
    '\\"',
    "'",
    "*",
    "`",
    "```\n",
    "- ",
    "1. ",
    "a: ",
    "ADD x\n",
    "NOOP\n",
    "none ",
    "no a ",
    "Here are the facts ",
    "Sure ",
    "<",
    "(",
    "memory ",
    "DELETE #1 ",
    '{"operation": "ADD"}',
    "[1],",
    "op:",
    "- op",
    "x",
    "…",
    "->",
    "text ",
]


def cost(dialect, piece, size):
    """Seconds of all readers on so many characters, alone and behind the start of an operation."""
    body = piece * (size // len(piece))
    start = time.process_time()
    for text in (body, f"UPDATE {body} #1", f'[{{"operation": "ADD", "text": "{body}'):
        dialect.read_operations(text, BANK, "x")
        dialect.read_choice(text, BANK)
        dialect.read_facts(text)
        dialect.read_memory(text)
        split_thinking(text)
    return time.process_time() - start


def is_linear(seconds, size, factor, more):
    """Whether twice the size takes at most `factor` times as long and `more` seconds. A collection of garbage may fall
    into one measurement; into three it does not."""
    return any(seconds(2 * size) < factor * seconds(size) + more for _ in range(3))


@pytest.mark.parametrize("piece", some(HARD))
@pytest.mark.parametrize("dialect", [Chat(), pytest.param(Quoted(), marks=pytest.mark.slow)])
def test_twice_as_long_takes_about_twice_as_long(dialect, piece):
    assert is_linear(lambda size: cost(dialect, piece, size), 30_000, 3.5, 0.3)


@pytest.mark.hours
@pytest.mark.slow
@pytest.mark.parametrize("piece", HARD)
@pytest.mark.parametrize("dialect", [Chat(), Quoted()])
def test_twice_a_megabyte_takes_about_twice_as_long(dialect, piece):
    assert is_linear(lambda size: cost(dialect, piece, size), 1_000_000, 3, 0.5)
    assert cost(dialect, piece, 2_000_000) < 120
