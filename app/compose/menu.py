"""The menu of a part's kinds: what does not fit is grey and says why; of what fits it says what a swap keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app.compose.fields import field_label
from app.markup.safe_text import escape_markdown
from memfactory_core.assembly.fit import Fit, find_fits
from memfactory_core.assembly.swap import Path, Swap, read_at

GIVEN, ROUND, SWAPPED = "compose.given", "compose.round", "compose.swapped"
"""In the session: the values that the form starts from, how often it was started anew, the last swap in words."""
LONGEST_TOLD = 40
"""Characters of a setting's value in the line that tells of a swap."""


@dataclass(frozen=True)
class Place:
    """A part's place in a recipe, what stands there in words, and its family."""

    title: str
    path: Path
    family: str


def name_of(kind: str) -> str:
    """A kind as words."""
    return kind.replace("_", " ")


def choose_kind(place: Place, values: Mapping[str, Any]) -> None:
    """Opens the menu of a place; `values` are the form's, whole."""

    @st.dialog(f"{place.title}: choose a kind", width="medium")
    def menu() -> None:
        now = read_at(values, place.path) or {}
        fits = find_fits(values, place.path, place.family)
        for fit in sorted(fits, key=lambda fit: bool(fit.reason)):
            if _show_kind(place, fit, fit.kind == now.get("kind")):
                st.rerun()

    menu()


def _show_kind(place: Place, fit: Fit, chosen: bool) -> bool:
    """One kind as a button with its sentence; whether it was chosen."""
    button, text = st.columns([1, 2.6], vertical_alignment="center")
    icon = ":material/check:" if chosen else ":material/block:" if fit.reason else None
    clicked = button.button(
        name_of(fit.kind), key=f"menu.{'.'.join(place.path)}.{fit.kind}", icon=icon, width="stretch",
        disabled=chosen or bool(fit.reason), on_click=take_swap, args=(place, fit.kind, fit.swap),
    )  # fmt: skip
    told = escape_markdown(fit.summary)
    if fit.reason and not chosen:
        told += f"  \n**Does not fit:** {escape_markdown(fit.reason, 400)}"
    elif not chosen and (kept := tell_swap(fit.swap)):
        told += f"  \n{kept}"
    text.caption(told)
    return clicked


def take_swap(place: Place, kind: str, swap: Swap) -> None:
    """The form starts anew from the swapped values."""
    restart_from(swap.values, f"**{place.title}: {name_of(kind)}.** {tell_swap(swap)}")


def restart_from(values: Mapping[str, Any], told: str) -> None:
    """All widgets start anew from these whole values; `told` stands above the picture."""
    st.session_state[GIVEN] = dict(values)
    st.session_state[SWAPPED] = told
    st.session_state[ROUND] = st.session_state.get(ROUND, 0) + 1


def tell_swap(swap: Swap) -> str:
    """What a swap keeps and what it resets, in words; "" where nothing was set."""
    told = []
    if swap.stayed:
        parts = " and ".join(map(field_label, swap.stayed)).lower()
        stays = "the present one stays" if len(swap.stayed) == 1 else "the present ones stay"
        told.append(f"Its own {parts} would not fit, so {stays}.")
    if swap.kept:
        told.append(f"Kept: {_list(swap.kept)}.")
    if swap.reset:
        told.append(f"Not kept, for it has no place for it: {_list(swap.reset)}.")
    if swap.measured_anew:
        told.append("Measured on its own held-out examples, no more on the old task's.")
    if swap.unstaged:
        told.append("The training has no stages any more: they changed settings of the old part.")
    return " ".join(told)


def _list(settings: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name.replace('.', ' ').replace('_', ' ')} {_shorten(v)}" for name, v in settings.items()
    )


def _shorten(value: Any) -> str:
    if isinstance(value, Mapping):
        return escape_markdown(name_of(str(value.get("kind", "as set"))))
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return escape_markdown(text, LONGEST_TOLD)
