"""The card of one attempt of a group."""

from __future__ import annotations

from collections.abc import Mapping

from app.markup.labels import cause_tag, tag
from app.markup.safe_text import escape_html, show_text
from memfactory_core.rewards.answers import is_right
from memfactory_core.trace import Episode


def attempt_card(number: int, episode: Episode, cause: str | None, parts: Mapping[str, str]) -> str:
    """One attempt of a group: its answer, right or wrong, the parts of its reward, its cause."""
    verdict = _verdict(episode)
    said = (
        f"<bdi>{escape_html(episode.answer, 300)}</bdi>"
        if episode.answer
        else show_text("", "no answer")
    )
    rows = "".join(
        f"<tr><td>{escape_html(name, 60)}</td><td>{escape_html(value, 60)}</td></tr>"
        for name, value in parts.items()
    )
    return (
        f'<div class="mf mf-attempt"><div class="mf-head"><h4>Attempt {number}</h4>{verdict}</div>'
        f'<div class="mf-said">{said}</div>'
        f'<table class="mf-table"><tbody>{rows}</tbody></table>'
        f"{cause_tag(cause) if cause else ''}</div>"
    )


def _verdict(episode: Episode) -> str:
    questions = episode.example.questions
    answers = [episode.answer, *episode.other_answers]
    pairs = zip(answers, questions, strict=False)
    right = sum(is_right(answer, question) == 1 for answer, question in pairs)
    if right == len(questions):
        return tag("good", "✓", "right" if right == 1 else f"all {right} right")
    if right == 0:
        return tag("bad", "✕", "wrong" if len(questions) == 1 else "all wrong")
    return tag("", "◐", f"{right} of {len(questions)} right")
