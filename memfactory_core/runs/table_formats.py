"""A table of scores as text: CSV and JSON for programs, with every figure in full; Markdown and LaTeX for people,
shares in percent with their 95% interval. What is left out of a row stands as a dash."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Literal

from memfactory_core.rewards.shown import Shown
from memfactory_core.runs.score_table import ALL, ScoreRow
from memfactory_core.scoring.intervals import Interval
from memfactory_core.text import one_line

Format = Literal["text", "csv", "json", "latex", "markdown"]
ENDINGS = {"text": "txt", "csv": "csv", "json": "json", "latex": "tex", "markdown": "md"}
"""What a file of each format ends in."""
PLACES = ("run", "name", "when", "task", "decoding", "category")
"""The columns that say what a row is about."""
HEADS = {"name": "Run", "when": "Training", "task": "Task", "decoding": "Decoding", "category": "Category"}  # fmt: skip
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


def write_table(
    rows: Sequence[ScoreRow],
    names: Sequence[str],
    format_: Format,
    shown: Shown,
    notes: Sequence[str] = (),
) -> str:
    """The table in a format, with the scores `names` as columns; `notes` stand below it where the format has room for
    them."""
    if format_ == "csv":
        return _to_csv(rows, names)
    if format_ == "json":
        listed = [
            {name: getattr(row, name) for name in PLACES}
            | {"scores": {name: row.scores.get(name) for name in names}}
            for row in rows
        ]
        return json.dumps({"rows": listed, "notes": list(notes)}, indent=2) + "\n"
    heads, lines = _cells(rows, names, shown)
    if format_ == "latex":
        return _to_latex(heads, lines, notes)
    if format_ == "markdown":
        return _to_markdown(heads, lines, notes)
    return _to_text(heads, lines, notes)


def describe_figures(figures: Interval | None, share: bool) -> str:
    """A mean with its interval, a share in percent; a dash where it was not measured."""
    if not figures:
        return "-"
    scale = 100 if share else 1
    mean = f"{figures['mean'] * scale:.1f}"
    if figures["low"] is None:
        return f"{mean} [no interval]"
    return f"{mean} [{figures['low'] * scale:.1f}, {figures['high'] * scale:.1f}]"


def describe_count(row: ScoreRow) -> str:
    """How many values a row is about at most, and of how many texts where these are fewer."""
    most = max(row.scores.values(), key=lambda figures: figures["n"])
    texts = most.get("clusters", most["n"])
    return f"{most['n']}/{texts}" if texts < most["n"] else str(most["n"])


def _cells(
    rows: Sequence[ScoreRow], names: Sequence[str], shown: Shown
) -> tuple[list[str], list[list[str]]]:
    """The head and the rows as words; places in which all rows are empty or about all questions have no column."""
    empty = ("", ALL)
    places = [
        place
        for place in HEADS
        if place == "name" or any(getattr(row, place) not in empty for row in rows)
    ]
    heads = [*(HEADS[place] for place in places), "n"]
    heads += [f"{shown.title(name)}{' (%)' if shown.is_share(name) else ''}" for name in names]
    lines = [
        [*(one_line(getattr(row, place)) for place in places), describe_count(row)]
        + [describe_figures(row.scores.get(name), shown.is_share(name)) for name in names]
        for row in rows
    ]
    return heads, lines


def _to_csv(rows: Sequence[ScoreRow], names: Sequence[str]) -> str:
    file = io.StringIO()
    writer = csv.writer(file)
    figures = ("mean", "low", "high", "n", "clusters")
    heads = [name if f == "mean" else f"{name}_{f}" for name in names for f in figures]
    writer.writerow([*PLACES, *heads])
    for row in rows:
        values = [(row.scores.get(name) or {}).get(f, "") for name in names for f in figures]
        writer.writerow([*row[: len(PLACES)], *values])
    return file.getvalue()


def _to_markdown(heads: list[str], lines: list[list[str]], notes: Sequence[str]) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    ruled = [line(heads), line(["---"] * len(heads)), *map(line, lines)]
    told = "".join(f"\n- {one_line(note)}" for note in notes)
    return "\n".join(ruled) + "\n" + (f"{told}\n" if told else "")


def _to_latex(heads: list[str], lines: list[list[str]], notes: Sequence[str]) -> str:
    def line(cells: Sequence[str]) -> str:
        return " & ".join("".join(_LATEX.get(c, c) for c in cell) for cell in cells) + r" \\"

    body = [line(cells) for cells in lines]
    told = [f"% {one_line(note)}" for note in notes]
    columns = "l" * len(heads)
    return "\n".join([
        r"% needs \usepackage{booktabs}", *told, rf"\begin{{tabular}}{{{columns}}}", r"\toprule",
        line(heads), r"\midrule", *body, r"\bottomrule", r"\end{tabular}", "",
    ])  # fmt: skip


def _to_text(heads: list[str], lines: list[list[str]], notes: Sequence[str]) -> str:
    widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return "  ".join(padded).rstrip()

    return "\n".join([line(heads), *map(line, lines), *map(one_line, notes), ""])
