"""The table of right operations against those that were carried out."""

from __future__ import annotations

import html
from collections.abc import Callable

from app.markup.labels import ACTIONS, tag

Table = dict[str, dict[str, int]]


def confusion_table(table: Table, title: str, door: Callable[[str, str], str] | None = None) -> str:
    """The table as HTML: share and number in each cell, shaded by the share. `door` gives the address to which a cell's
    number leads, for what was right and what was done."""
    actions = list(next(iter(table.values())))
    head = "".join(f'<th scope="col">{_column(action)}</th>' for action in actions)
    rows = []
    for right, done in table.items():
        total = sum(done.values())
        cells = "".join(
            _cell(done[name], total, name == right, door(right, name) if door else "")
            for name in actions
        )
        label = tag(right, *ACTIONS[right])
        count = f'<div class="mf-muted">{total:,}</div>'
        rows.append(f'<tr><th scope="row">{label}{count}</th>{cells}</tr>')
    return (
        f'<div class="mf mf-wide" role="group" aria-label="{html.escape(title)}">'
        '<table class="mf-table mf-heat"><thead><tr><th>Right ↓<br>Done →</th>'
        f"{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _column(action: str) -> str:
    sign, word = ACTIONS[action]
    return f'<span aria-hidden="true">{sign}</span><br>{html.escape(word)}'


def _cell(count: int, total: int, agrees: bool, address: str) -> str:
    share = count / total if total else 0.0
    colour = "38, 150, 84" if agrees else "214, 62, 62"
    sign = "✓ " if agrees else ""
    number = f'<div class="mf-muted">{count:,}</div>'
    if address and count:
        number = f'<div><a href="{html.escape(address)}" target="_self">{count:,}</a></div>'
    return f'<td style="background: rgba({colour}, {0.5 * share:.2f})"><b>{sign}{share:.0%}</b>{number}</td>'
