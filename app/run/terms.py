"""What the words on a page of results mean, from the parts that measure them."""

from __future__ import annotations

from collections.abc import Iterable

import streamlit as st

from app.markup.safe_text import escape_markdown
from memfactory_core.rewards.shown import Shown

TERMS = {
    "greedy": "one attempt at each example, the likeliest token at every place",
    "sampled, avg@k": "the mean of k attempts at temperature 1",
    "95% interval": "where the mean would lie if other texts had been drawn: a bootstrap over whole texts; "
    "one text alone gives none",
    "held out": "examples whose texts and names no training has seen",
}


def show_terms(shown: Shown, names: Iterable[str]) -> None:
    """The measures of these names and the other words of results, folded."""
    with st.expander("What these words mean", icon=":material/help:"):
        lines = [f"**{word}**: {meaning}." for word, meaning in TERMS.items()]
        for name in shown.in_order(names):
            part = shown.part(name)
            if part:
                lines.append(
                    f"**{escape_markdown(shown.title(name))}**: {escape_markdown(part.summary(), 400)}"
                )
        st.markdown("  \n".join(lines))
