"""HTML of the memory debugger: a moment of an episode, the bank, the fates of needed facts, a
group's attempts, banks side by side, tokens. Model text goes through markup.escape_html as everywhere."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from app.markup.safe_text import (
    ACTIONS,
    escape_html,
    mark_needed,
    one_line,
    show_text,
    show_write,
    strike_out,
    tag,
)
from memfactory_core.explain import moments
from memfactory_core.explain.attempts import Row
from memfactory_core.explain.causes import CAUSES
from memfactory_core.explain.likelihood import Token
from memfactory_core.explain.moments import Moment
from memfactory_core.rewards.answers import exact_match
from memfactory_core.trace import Asked, Episode, Failed, Recalled, Wrote
from memfactory_core.types import Evidence, Hit, Memory

CAUSE_SIGNS = {
    "failed": "!", "never_extracted": "∅", "not_written": "∅", "malformed": "⊘",
    "overwritten": "✎", "merged_away": "⇉", "deleted": "−", "not_retrieved": "⌕",
    "not_used": "…", "reader_error": "≠", "cannot_tell": "?",
}  # fmt: skip
NEED_LOOKS = {
    "untold": ("·", ""), "present": ("✓", "good"), "used": ("✓", "good"),
    "never_stored": ("∅", "bad"), "overwritten": ("✎", "bad"), "merged_away": ("⇉", "bad"),
    "deleted": ("−", "bad"), "not_retrieved": ("⌕", "bad"), "not_used": ("…", "bad"),
    "reader_error": ("≠", "bad"),
}  # fmt: skip
SHOWN_ENTRIES = 200
"""Entries of a bank, or of aligned banks, that are shown."""


def cause_tag(cause: str) -> str:
    """A cause as sign and word."""
    return tag("bad", CAUSE_SIGNS.get(cause, "?"), cause.replace("_", " "))


def cause_line(cause: str, count: int | None = None) -> str:
    """A cause with what it means, and how often it came."""
    often = "" if count is None else f" <b>{count:,}</b>"
    meaning = html.escape(CAUSES.get(cause, ""))
    return f'<div class="mf mf-cause">{cause_tag(cause)}{often} <span>{meaning}</span></div>'


def moment_card(
    moment: Moment, episode: Episode, needed: Sequence[Evidence], chosen: int | None
) -> str:
    """What was read, recalled, said and written at one moment; the chosen event is outlined."""
    parts = []
    if moment.at is not None:
        parts.append(
            _labelled("Read", mark_needed(episode.example.observations[moment.at], needed))
        )
    for event in moment.events:
        mark = ' aria-current="true"' if event.seq == chosen else ""
        parts.append(
            f'<div class="mf-event"{mark}>{_show_event(event, moment, episode, needed)}</div>'
        )
    return (
        f'<section class="mf mf-card" aria-label="{html.escape(one_line(moment.title))}">'
        f"{''.join(parts)}</section>"
    )


def _labelled(label: str, body: str) -> str:
    return f'<div class="mf-part"><div class="mf-label">{escape_html(label, 80)}</div>{body}</div>'


def _show_event(event: object, moment: Moment, episode: Episode, needed: Sequence[Evidence]) -> str:
    if isinstance(event, Recalled):
        return _labelled(
            "Recalled", f"for {show_text(event.query)}{hits_table(event.hits, needed)}"
        )
    if isinstance(event, Failed):
        return _labelled("A part failed", show_text(event.error))
    if isinstance(event, Wrote):
        name = escape_html(event.memory_id or "", 40)
        which = f' <span class="mf-muted">memory {name}</span>' if name else ""
        label = tag(event.action, *ACTIONS[event.action]) + which
        return f'<div class="mf-head">{label}</div>{show_write(event, needed)}'
    if isinstance(event, Asked):
        said = episode.turns[event.index].completion.text
        echoed = any(isinstance(e, Wrote) and e.after == said for e in moment.events)
        if echoed:  # the write below shows the same words
            return ""
        label = moments.ROLES.get(event.role, event.role)
        return _labelled(f"The policy said ({label.lower()})", show_text(said, "nothing"))
    return ""


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
    scores = hit.scores or ({"score": hit.score} if hit.score else {})
    if not scores:
        return '<span class="mf-muted">everything is read</span>'
    return "<br>".join(
        f"{escape_html(name, 60)} <b>{value:.3g}</b>" for name, value in scores.items()
    )


def bank_card(
    bank: Mapping[str, Memory], before: Mapping[str, Memory], needed: Sequence[Evidence]
) -> str:
    """The bank at one moment; what the moment changed carries its word."""
    items = []
    for memory in list(bank.values())[:SHOWN_ENTRIES]:
        old = before.get(memory.id)
        new = "add" if old is None else "update" if old.text != memory.text else ""
        label = tag(new, *ACTIONS[new]) if new else ""
        items.append(f"<li>{label} {mark_needed(memory.text, needed)}</li>")
    gone = [memory for memory in before.values() if memory.id not in bank]
    items += [
        f"<li>{tag('delete', *ACTIONS['delete'])} {strike_out(mark_needed(memory.text, needed))}</li>"
        for memory in gone[:SHOWN_ENTRIES]
    ]
    size = sum(len(memory.text) for memory in bank.values())
    count = f"{len(bank):,} {'entry' if len(bank) == 1 else 'entries'}, {size:,} characters"
    body = (
        f'<ul class="mf-list">{"".join(items)}</ul>'
        if items
        else show_text("", "The memory is empty.")
    )
    return _framed(f"Memory at this moment · {count}", body)


def needed_card(facts: Sequence[tuple[Evidence, str, int | None]]) -> str:
    """What had become of each needed fact at one moment."""
    if not facts:
        quiet = '<span class="mf-muted">This task does not say what was needed.</span>'
        return _framed("Needed facts", quiet)
    items = "".join(
        f'<div class="mf-part">{tag(NEED_LOOKS[state][1], NEED_LOOKS[state][0], moments.STATES[state])}'
        f"<div>{show_text(item.text)}</div></div>"
        for item, state, _ in facts
    )
    return _framed("Needed facts at this moment", items)


def _framed(label: str, body: str) -> str:
    return (
        f'<section class="mf mf-card" aria-label="{html.escape(label)}">'
        f'<div class="mf-label">{html.escape(label)}</div>{body}</section>'
    )


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
    right = sum(exact_match(answer, question.answers) == 1 for answer, question in pairs)
    if right == len(questions):
        return tag("good", "✓", "right" if right == 1 else f"all {right} right")
    if right == 0:
        return tag("bad", "✕", "wrong" if len(questions) == 1 else "all wrong")
    return tag("", "◐", f"{right} of {len(questions)} right")


def banks_table(rows: Sequence[Row], size: int, needed: Sequence[Evidence], first: int = 1) -> str:
    """Final banks aligned: one row for each memory text, one column for each attempt, numbered from
    `first`."""
    if not rows:
        return '<div class="mf mf-muted">Every attempt ended with an empty memory.</div>'
    head = "".join(f"<th>{number}</th>" for number in range(first, first + size))
    body = "".join(
        f"<tr><td>{mark_needed(row.text, needed)}</td>"
        + "".join(
            '<td class="mf-in">✓</td>' if place in row.attempts else '<td class="mf-muted">–</td>'
            for place in range(size)
        )
        + f"<td>{len(row.attempts)} of {size}</td></tr>"
        for row in rows[:SHOWN_ENTRIES]
    )
    more = len(rows) - SHOWN_ENTRIES
    rest = f'<div class="mf-muted">{more:,} more memories</div>' if more > 0 else ""
    return (
        '<div class="mf mf-wide" role="group" aria-label="Memories at the end">'
        f'<table class="mf-table mf-banks"><thead><tr><th>Memory</th>{head}'
        f"<th>In</th></tr></thead><tbody>{body}</tbody></table>{rest}</div>"
    )


def show_tokens_line(tokens: Sequence[Token]) -> str:
    """Tokens coloured by what training changed: underlined where more likely now, dashed where
    less, the stronger the greater the change (full at 3 nats)."""
    pieces = []
    for token in tokens:
        change = token.now - token.start
        strength = min(1.0, abs(change) / 3)
        colour = "38, 150, 84" if change > 0 else "214, 62, 62"
        name = "more" if change > 0.05 else "less" if change < -0.05 else "same"
        tip = f"now {token.now:.2f}, at the start {token.start:.2f}, change {change:+.2f}"
        style = f"background: rgba({colour}, {0.5 * strength:.2f})"
        shown = escape_html(token.text, 200) or "·"
        pieces.append(f'<span class="mf-token {name}" style="{style}" title="{tip}">{shown}</span>')
    return f'<div class="mf mf-tokens">{"".join(pieces)}</div>'
