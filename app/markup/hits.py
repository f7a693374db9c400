"""Memories that were recalled: rank, text, and every score that explains the rank."""

from __future__ import annotations

from collections.abc import Sequence

from app.markup.banks import SHOWN_ENTRIES
from app.markup.safe_text import escape_html, mark_needed
from memfactory_core.types import Evidence, Hit

REASONS = {"everything": "everything is read", "drawn": "drawn by chance"}
"""Scores whose number says nothing: the retriever has read the memory for this reason."""


def hits_table(found: Sequence[Hit], needed: Sequence[Evidence] = ()) -> str:
    """Memories that were recalled: rank, text, and every score that explains the rank."""
    if not found:
        return '<div class="mf-muted">Nothing was found.</div>'
    rows = "".join(
        f"<tr><td>{rank}</td><td>{mark_needed(hit.memory.text, needed)}</td>"
        f"<td>{_show_scores(hit)}</td></tr>"
        for rank, hit in enumerate(found[:SHOWN_ENTRIES], 1)
    )
    head = "<tr><th>Rank</th><th>Memory</th><th>Why: scores</th></tr>"
    return f'<table class="mf-table mf-hits"><thead>{head}</thead><tbody>{rows}</tbody></table>'


def _show_scores(hit: Hit) -> str:
    """Why a memory was read, as its hit says it: nothing is made up for one that gives no score."""
    scores = hit.scores or ({"score": hit.score} if hit.score else {})
    if not scores:
        return '<span class="mf-muted">read without a score</span>'
    return "<br>".join(
        REASONS.get(name) or f"{escape_html(name, 60)} <b>{value:.3g}</b>"
        for name, value in scores.items()
    )
