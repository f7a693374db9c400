"""HTML for both the Streamlit pages and the Gradio chat. Everything that a model or a user wrote
goes through `escape_html`: escaped, direction marks and control characters made visible, very long texts
cut with a note."""

from __future__ import annotations

import difflib
import html
import re
import unicodedata
from collections.abc import Mapping, Sequence

from memfactory_core.explain.story import Section, recalled
from memfactory_core.rewards.answers import exact_match
from memfactory_core.tasks.sentences import split_sentences
from memfactory_core.text import words
from memfactory_core.trace import Episode, Wrote
from memfactory_core.types import Evidence, Example, Memory

SHOWN_CHARACTERS = 20_000
"""Characters of one text that a page shows; the whole can be downloaded."""
COMPARED_CHARACTERS = 6_000
"""Characters up to which a change is compared word by word."""
UNLIMITED_BUDGET = 100_000
"""Characters from which a budget is no limit worth showing."""
HIDDEN_CLASSES = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Unicode classes without a shape of their own: control, format and direction marks."""
ALLOWED_CHARACTERS = "\n\t\u200c\u200d"
"""Characters of those classes that are shown as they are: the joiners belong to emoji and to
scripts."""
TEMPLATE_CHARACTERS = "{}$`\\"
"""Characters that mean something to Gradio's HTML templates."""
ACTIONS = {
    "add": ("+", "Add"),
    "update": ("✎", "Update"),
    "delete": ("−", "Delete"),
    "noop": ("○", "No change"),
    "reject": ("⊘", "Rejected"),
}
FACT_LABELS = {
    "unread": ("·", "not read yet", ""),
    "kept": ("✓", "in memory", "good"),
    "missed": ("✕", "read here, not written", "bad"),
    "lost": ("✕", "lost here", "bad"),
    "gone": ("✕", "not in memory", "bad"),
}


def escape_html(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """A text for HTML: verbatim, harmless, at most `limit` characters and a note on the rest."""
    shown = "".join(map(_escape, text[:limit]))
    if len(text) <= limit:
        return shown
    return f'{shown} <span class="mf-mark">{len(text) - limit:,} more characters</span>'


def _escape(char: str) -> str:
    if char not in ALLOWED_CHARACTERS and unicodedata.category(char) in HIDDEN_CLASSES:
        return f'<span class="mf-mark">U+{ord(char):04X}</span>'
    return f"&#{ord(char)};" if char in TEMPLATE_CHARACTERS else html.escape(char)


def show_text(value: str, empty: str = "empty") -> str:
    """A text in its own isolated run; an empty one is said in words."""
    if not value:
        return f'<span class="mf-muted">{html.escape(empty)}</span>'
    return f'<bdi class="mf-text">{escape_html(value)}</bdi>'


def mark_needed(value: str, needed: Sequence[Evidence]) -> str:
    """A text with the needed facts marked."""
    return f'<bdi class="mf-text">{_mark(value, needed)}</bdi>'


def _mark(value: str, needed: Sequence[Evidence]) -> str:
    value, rest = value[:SHOWN_CHARACTERS], len(value) - SHOWN_CHARACTERS
    pieces, position = [], 0
    for start, end in _find_needed(value, needed):
        pieces.append(escape_html(value[position:start]))
        pieces.append(f'<mark class="mf-needed">{escape_html(value[start:end])}</mark>')
        position = end
    pieces.append(escape_html(value[position:]))
    if rest > 0:
        pieces.append(f' <span class="mf-mark">{rest:,} more characters</span>')
    return "".join(pieces)


def _find_needed(value: str, needed: Sequence[Evidence]) -> list[tuple[int, int]]:
    places: list[tuple[int, int]] = []
    for item in needed:
        pattern = r"\W+".join(map(re.escape, words(item.text)))
        found = (
            re.search(rf"(?<!\w){pattern}(?!\w)[.!?]?", value, re.IGNORECASE) if pattern else None
        )
        if found:
            places.append(found.span())
    places.sort()
    return [p for i, p in enumerate(places) if i == 0 or p[0] >= places[i - 1][1]]


def tag(name: str, sign: str, label: str) -> str:
    """A small label: sign and word, colour by class."""
    shown = f'<span aria-hidden="true">{sign}</span>{html.escape(label)}'
    return f'<span class="mf-tag {name}">{shown}</span>'


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


def show_write(event: Wrote, needed: Sequence[Evidence]) -> str:
    """One write: what changed, or what was refused and why."""
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
    return f'<div class="mf-write">{body}{reason}</div>'


def section_card(section: Section, total: int, example: Example, budget: int | None = None) -> str:
    """One section: what was read beside what was done to the memory."""
    tags = []
    for event in section.writes:
        label = tag(event.action, *ACTIONS[event.action])
        if label not in tags:
            tags.append(label)
    several = len(section.fates) > 1
    for i, fate in enumerate(section.fates):
        sign, label, name = FACT_LABELS[fate]
        which = f"needed fact {i + 1}" if several else "needed fact"
        if not (several and fate == "unread"):
            tags.append(tag(name, sign, f"{which} {label}"))
    room = _describe_size(section, budget)
    writes = "".join(show_write(event, example.needed) for event in section.writes)
    quiet = '<span class="mf-muted">Nothing was written.</span>'
    return (
        f'<section class="mf-card" aria-label="Section {section.index + 1}">'
        f'<div class="mf-head"><h4>Section {section.index + 1} of {total}</h4>{"".join(tags)}</div>'
        f'<div class="mf-pair"><div><div class="mf-label">Read</div>'
        f"{mark_needed(section.text, example.needed)}"
        f'</div><div><div class="mf-label">Memory · {room}</div>{writes or quiet}</div></div>'
        f"{_memory_after(section, example.needed)}</section>"
    )


def _describe_size(section: Section, budget: int | None) -> str:
    """How full the memory is: of a small budget the share, else the number of entries."""
    held, count = sum(len(memory.text) for memory in section.after), len(section.after)
    if budget and budget < UNLIMITED_BUDGET:
        return f"{held:,} of {budget:,} characters"
    return f"{count:,} {'entry' if count == 1 else 'entries'}, {held:,} characters"


def _memory_after(section: Section, needed: Sequence[Evidence]) -> str:
    last = section.writes[-1].action if section.writes else None
    whole = len(section.after) == 1 and len(section.writes) == 1 and last in ("add", "update")
    if whole or not section.after:
        return ""  # the change has shown the whole memory, or there is none
    items = "".join(
        f"<li>{mark_needed(memory.text, needed)}</li>" for memory in section.after[:200]
    )
    one = len(section.after) == 1
    body = (
        mark_needed(section.after[0].text, needed) if one else f'<ol class="mf-list">{items}</ol>'
    )
    return f'<div style="margin-top:10px"><div class="mf-label">Memory afterwards</div>{body}</div>'


def section_cards(example: Example, told: Sequence[Section], budget: int | None = None) -> str:
    """The sections given, one card each."""
    total = len(example.observations)
    cards = [section_card(section, total, example, budget) for section in told]
    return f'<div class="mf">{"".join(cards)}</div>'


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
    reads = recalled(episode.events)
    answers = [episode.answer, *episode.other_answers]
    cards = []
    for i, question in enumerate(episode.example.questions):
        memories = [hit.memory for hit in reads[i].hits] if i < len(reads) else []
        answer = answers[i] if i < len(answers) else ""
        right = exact_match(answer, question.answers) == 1 if question.answers else None
        gold = question.answers[0] if question.answers else None
        cards.append(
            answer_card(question.question, answer, memories, gold, right, question.evidence)
        )
    return f'<div class="mf">{"".join(cards)}</div>'


def figures_row(values: Mapping[str, str]) -> str:
    """A row of small figures with their names."""
    items = (
        f'<div><span class="mf-label">{html.escape(name)}</span><b>{html.escape(value)}</b></div>'
        for name, value in values.items()
    )
    return f'<div class="mf mf-facts">{"".join(items)}</div>'


def reveal_hidden(value: str, limit: int = SHOWN_CHARACTERS) -> str:
    """A text for a block of code, as it is: hidden characters made visible, the rest cut with a
    note."""
    rest = f"\n… {len(value) - limit:,} more characters" if len(value) > limit else ""
    return "".join(map(_reveal, value[:limit])) + rest


def one_line(value: str, limit: int = 80) -> str:
    """A text on one line for a widget that shows it as it is: hidden characters made visible."""
    shown = " ".join(value[: 4 * limit].split())
    shown = shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
    return "".join(map(_reveal, shown))


def escape_markdown(value: str, limit: int = 200) -> str:
    """A text for Streamlit's markdown, its special characters escaped, on one line."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>~$:&])", r"\\\1", one_line(value, limit))


def _reveal(char: str) -> str:
    hidden = char not in ALLOWED_CHARACTERS and unicodedata.category(char) in HIDDEN_CLASSES
    return f"U+{ord(char):04X}" if hidden else char
