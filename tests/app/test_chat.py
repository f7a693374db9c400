"""The chat without its widgets: agents, texts, stopping, and the bank that is kept of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from app.chat.agents import Agent, Samplers, find_agent, list_agents
from app.chat.example_text import example_from_text
from app.chat.exchange import Exchange, keep_exchange, play_exchange
from app.chat.transcript import render
from app.reads.chats import list_chats
from memfactory_core import config
from memfactory_core.dialects.chat import Chat
from memfactory_core.episode import Ask, Sampler
from memfactory_core.types import Completion, Example
from tests.app.test_pages import HOSTILE, NEEDED, filled, open_page, words

__all__ = ["filled"]


def test_agents_and_texts_of_the_chat(filled: dict[str, str]) -> None:
    ids = [agent_id for _, agent_id in list_agents()]
    assert f"run:{filled['evaluated']}" in ids and "recipe:memagent-tiny" in ids
    assert f"run:{filled['trained']}" not in ids  # it left no weights
    agent = find_agent(f"run:{filled['evaluated']}")
    example = example_from_text(
        f"{NEEDED.sentence} Al is Bo. Cy is Da.", NEEDED.question.lower().strip("?"), 2
    )
    assert len(example.observations) == 2 and example.evidence[0].text == NEEDED.sentence
    exchange = Exchange("x", example.question, agent.config.paradigm.start(example))
    sampler = Samplers().get(agent)
    steps = list(play_exchange(agent, sampler, exchange, lambda: False))
    assert len(steps) == 3 and exchange.answer
    stopped = Exchange("x", "q", agent.config.paradigm.start(example))
    assert [e.error for e in play_exchange(agent, sampler, stopped, lambda: True)] == ["Stopped."]
    keep_exchange(stopped)
    assert not stopped.kept  # nothing was read


def test_a_chats_bank_is_looked_into(filled: dict[str, str]) -> None:
    assert "No chat is kept yet" in words(open_page("memory", source="chat"))
    agent = find_agent(f"run:{filled['evaluated']}")
    sampler = Samplers().get(agent)
    example = example_from_text(f"{NEEDED.sentence} {HOSTILE} Cy is Da.", "Who is Cy?", 1)
    exchange = Exchange("An agent", "Who?", agent.config.paradigm.start(example))
    list(play_exchange(agent, sampler, exchange, lambda: False))
    keep_exchange(exchange)
    shown = render([exchange])
    assert "<script" not in shown and "\u202e" not in shown and exchange.kept in shown
    page = open_page("memory", source="chat", chat=exchange.kept)
    assert not page.error and not page.warning
    assert exchange.kept == page.selectbox(key="url.chat").value
    assert "Memory read to answer" in words(page) and "<script" not in words(page)
    again = Exchange("An agent", "And now?", exchange.context, reread=False)
    list(play_exchange(agent, sampler, again, lambda: False))
    keep_exchange(again)
    assert [chat.question for chat in list_chats()] == ["And now?", "Who?"]
    assert open_page("memory", source="chat", chat="gone").warning


def test_a_chat_stops_between_the_turns_of_a_section(filled: dict[str, str]) -> None:
    lines = ["mode=evaluate", "policy=scripted", "paradigm.extractor=lines"]
    chosen = config.load("memory-r1-tiny", lines)
    agent = Agent("x", chosen, None)
    example = Example(id="chat", observations=("One.\nTwo.\nThree.",), question="q", answers=())
    asked: list[int] = []
    sampler = Samplers().get(agent)
    exchange = Exchange("x", "q", chosen.paradigm.start(example))

    def stopped() -> bool:
        asked.append(len(exchange.context.turns))
        return len(asked) > 1

    list(play_exchange(agent, sampler, exchange, stopped))
    assert asked == [0, 1] and exchange.error == "Stopped." and exchange.answer is None


class Thinking(Sampler):
    """A chat model that thinks aloud and writes markdown."""

    def dialect_of(self, role: str) -> Chat:
        return Chat()

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        said = {"manage": "<think>NOOP?</think>**ADD:** Ann likes tea.", "answer": "Tea"}
        return [Completion(text=said[ask.role]) for ask in asks]


def test_a_chat_model_is_read_in_its_own_dialect() -> None:
    chosen = config.load("memory-r1-tiny", ["mode=evaluate", "policy=scripted"])
    example = Example(id="chat", observations=("Ann likes tea.",), question="q", answers=())
    exchange = Exchange("x", "q", chosen.paradigm.start(example))
    list(play_exchange(Agent("x", chosen, None), Thinking(), exchange, lambda: False))
    assert exchange.answer == "Tea" and not exchange.error
    assert [memory.text for memory in exchange.context.bank.all()] == ["Ann likes tea."]
    assert exchange.context.turns[0].completion.thinking == "NOOP?"


@pytest.mark.parametrize(
    ("text", "question", "problem"),
    [
        ("", "q", "no text"),
        ("a.", " ", "no question"),
        ("a" * 300_000, "q", "200,000"),
        ("Yes. " * 2000, "q", "sections"),
    ],
)
def test_the_chat_says_what_is_wrong(text: str, question: str, problem: str) -> None:
    with pytest.raises(config.ConfigError, match=problem):
        example_from_text(text, question, 3)
