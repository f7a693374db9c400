"""Small tables of sentences, whose cells wrap: a grid of the browser's would cut them in a narrow window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.markup.safe_text import escape_html, show_text


def sentences_table(rows: Sequence[Mapping[str, object]], alt: str) -> str:
    """Rows under the names of the first one's fields; `alt` says what the table shows."""
    heads = "".join(f'<th scope="col">{escape_html(name, 80)}</th>' for name in rows[0])
    cells = "".join(
        f"<tr>{''.join(f'<td>{show_text(str(value))}</td>' for value in row.values())}</tr>"
        for row in rows
    )
    return (
        f'<div class="mf mf-wide" tabindex="0"><table class="mf-table mf-words" aria-label="{escape_html(alt, 200)}">'
        f"<thead><tr>{heads}</tr></thead><tbody>{cells}</tbody></table></div>"
    )
