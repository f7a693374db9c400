"""The conversation as HTML: what was asked, read and answered. All text goes through escape_html."""

from __future__ import annotations

from urllib.parse import urlencode

from app.chat.exchange import Exchange
from app.markup.answers import answer_card
from app.markup.labels import tag
from app.markup.safe_text import escape_html, show_text
from app.markup.sections import section_cards
from memfactory_core.episode import Context
from memfactory_core.explain import story

WELCOME = (
    '<div class="mf"><div class="mf-empty"><strong>Give the agent something to remember.'
    "</strong><br>It reads the text section by section and writes a small memory. "
    "The answer comes from that memory alone.</div></div>"
)


def render(history: list[Exchange]) -> str:
    """The conversation as HTML; earlier readings are folded."""
    return (
        "".join(_show_exchange(exchange, exchange is history[-1]) for exchange in history)
        or WELCOME
    )


def _show_exchange(exchange: Exchange, newest: bool) -> str:
    parts = [
        f'<div class="mf-asked"><div class="mf-label">{escape_html(exchange.agent or "Agent", 200)}'
        f"</div>{show_text(exchange.question, 'no question')}</div>"
    ]
    context = exchange.context
    if context and exchange.reread:
        parts.append(_show_reading(exchange, context, newest))
    if context and exchange.answer is not None:
        memories, needed = context.bank.all(), context.example.needed
        parts.append(answer_card("", exchange.answer, memories, needed=needed))
    if exchange.error:
        parts.append(show_problem(exchange.error))
    if exchange.kept:
        place = urlencode({"source": "chat", "chat": exchange.kept})
        parts.append(
            f'<p class="mf-open"><a href="/memory?{place}" target="_blank" rel="noopener">'
            'Look into this memory <span class="mf-muted">(a new tab)</span></a></p>'
        )
    return f'<div class="mf mf-turn">{"".join(parts)}</div>'


def _show_reading(exchange: Exchange, context: Context, newest: bool) -> str:
    example = context.example
    sections = story.sections(example, context.events)
    total = len(example.observations)
    cards = section_cards(example, sections, context.bank.budget)
    if not newest:
        title = f"How the memory was written, {total} section{'s' if total > 1 else ''}"
        return f"<details><summary>{title}</summary>{cards}</details>"
    if exchange.answer is not None or exchange.error:
        return cards
    doing = (
        f"Reading section {len(sections) + 1} of {total}" if len(sections) < total else "Answering"
    )
    return f'{cards}<p class="mf-muted" role="status">{doing} …</p>'


def show_problem(message: str) -> str:
    """A note on what went wrong, as a card."""
    label = tag("reject", "!", "Note")
    return f'<div class="mf-card" role="alert">{label} {escape_html(message)}</div>'
