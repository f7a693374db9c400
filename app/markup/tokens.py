"""Tokens coloured by what training changed."""

from __future__ import annotations

from collections.abc import Sequence

from app.markup.safe_text import escape_html
from memfactory_core.explain.likelihood import Token


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
