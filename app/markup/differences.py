"""What a write changed, or what was refused and why: removed and added text with signs."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from app.markup.safe_text import _mark, escape_html, mark_needed, show_text
from memfactory_core.explain.inventions import Invention
from memfactory_core.tasks.sentences import split_sentences
from memfactory_core.trace import Wrote
from memfactory_core.types import Evidence

COMPARED_CHARACTERS = 6_000
"""Characters up to which a change is compared word by word."""


def show_difference(before: str, after: str, needed: Sequence[Evidence] = ()) -> str:
    """What a write changed: kept text plain, removed and added text marked with signs. Whole
    sentences are compared first, so that two unrelated ones are never mixed word by word."""
    if max(len(before), len(after)) > COMPARED_CHARACTERS:
        pieces = [_show_removed(before, needed), _show_added(after, needed)]
        return f'<bdi class="mf-text">{" ".join(filter(None, pieces))}</bdi>'
    old, new = split_sentences(before), split_sentences(after)
    pieces = []
    for kind, gone, come in _compare(old, new):
        if kind == "replace" and difflib.SequenceMatcher(None, gone, come).ratio() > 0.75:
            words = _compare(gone.split(), come.split())
            pieces += [piece for change in words for piece in _show_change(*change, needed)]
        else:
            pieces += _show_change(kind, gone, come, needed)
    return f'<bdi class="mf-text">{" ".join(filter(None, pieces))}</bdi>'


def _compare(old: list[str], new: list[str]) -> list[tuple[str, str, str]]:
    codes = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return [(kind, " ".join(old[a:b]), " ".join(new[c:d])) for kind, a, b, c, d in codes]


def _show_change(kind: str, gone: str, come: str, needed: Sequence[Evidence]) -> list[str]:
    if kind == "equal":
        return [_mark(gone, needed)]
    return [_show_removed(gone, needed), _show_added(come, needed)]


def _show_removed(value: str, needed: Sequence[Evidence]) -> str:
    return strike_out(_mark(value, needed)) if value else ""


def strike_out(shown: str) -> str:
    """HTML of what is gone: the sign of `del` is not struck through, the words are."""
    return f"<del><s>{shown}</s></del>"


def _show_added(value: str, needed: Sequence[Evidence]) -> str:
    return f"<ins>{_mark(value, needed)}</ins>" if value else ""


def show_write(event: Wrote, needed: Sequence[Evidence], invention: Invention | None = None) -> str:
    """One write: what changed, or what was refused and why; and what it says that nobody has stated."""
    if event.action in ("add", "update", "delete"):
        if (event.before or "") == (event.after or ""):
            same = '<span class="mf-muted">(rewritten as it was)</span>'
            body = f"{mark_needed(event.after or '', needed)} {same}"
        else:
            body = show_difference(event.before or "", event.after or "", needed)
    elif event.action == "reject":
        body = f'<span class="mf-muted">Wanted to write:</span> {show_text(event.after or "", "nothing")}'
    else:
        body = '<span class="mf-muted">The memory stays as it is.</span>'
    reason = (
        f'<div class="mf-small mf-muted">Reason: {escape_html(event.reason, 300)}</div>'
        if event.reason
        else ""
    )
    return f'<div class="mf-write">{body}{reason}{_show_invention(invention)}</div>'


def _show_invention(invention: Invention | None) -> str:
    if invention is None:
        return ""
    lines = [
        ("Nobody stated", invention.invented),
        ("Nobody stated this value", invention.altered),
    ]
    return "".join(
        f'<div class="mf-small mf-muted">{label}: {escape_html(" ".join(said), 300)}</div>'
        for label, said in lines
        if said
    )
