"""Cards of answers: the question, what was read from memory, the answer, the right one."""

from __future__ import annotations

from collections.abc import Sequence

from app.markup.labels import tag
from app.markup.safe_text import mark_needed, show_text
from memfactory_core.explain.story import read_for_answers
from memfactory_core.rewards.answers import is_right
from memfactory_core.trace import Episode
from memfactory_core.types import Evidence, Memory


def answer_card(
    question: str,
    answer: str,
    memories: Sequence[Memory],
    gold: str | None = None,
    right: bool | None = None,
    needed: Sequence[Evidence] = (),
) -> str:
    """Question, what was read from memory, answer and, where known, the gold answer."""
    verdict = (
        "" if right is None else tag("good", "✓", "right") if right else tag("bad", "✕", "wrong")
    )
    memory = " ".join(memory.text for memory in memories)
    wanted = (
        "" if gold is None else f'<div class="mf-label mf-next">Right answer</div>{show_text(gold)}'
    )
    head = f'<div class="mf-head"><h4>{show_text(question)}</h4>{verdict}</div>' if question else ""
    return (
        f'<section class="mf-card mf-answer" aria-label="Answer">{head}'
        f'<div class="mf-pair"><div><div class="mf-label">Memory read to answer</div>'
        f"{mark_needed(memory, needed) if memory else show_text('', 'The memory is empty.')}</div>"
        f'<div><div class="mf-label">Answer</div><strong>{show_text(answer, "no answer")}</strong>'
        f"{wanted}</div></div></section>"
    )


def answer_cards(episode: Episode) -> str:
    """The end of an episode: a card for each question."""
    reads = read_for_answers(episode.events)
    answers = [episode.answer, *episode.other_answers]
    cards = []
    for i, question in enumerate(episode.example.questions):
        read = reads.get(question.question)
        memories = [hit.memory for hit in read.hits] if read else []
        answer = answers[i] if i < len(answers) else ""
        right = is_right(answer, question) == 1 if question.answers else None
        gold = question.answers[0] if question.answers else None
        cards.append(
            answer_card(question.question, answer, memories, gold, right, question.evidence)
        )
    return f'<div class="mf">{"".join(cards)}</div>'
