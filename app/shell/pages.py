"""The pages of the lab: their names, titles, icons and addresses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

ROOT = Path(__file__).parents[2]
INSTALLED_PAGES = ROOT / "app" / "installed_pages"
"""Where an installation holds pages/, which stands at the top of a checkout."""
PAGES = {
    "overview": ("Overview", ":material/home:"),
    "learn": ("Learn", ":material/school:"),
    "compose": ("Compose", ":material/tune:"),
    "runs": ("Runs", ":material/show_chart:"),
    "evaluate": ("Evaluate", ":material/fact_check:"),
    "compare": ("Compare", ":material/compare_arrows:"),
    "sweep": ("Sweep", ":material/grid_on:"),
    "groups": ("Groups", ":material/view_column:"),
    "episode": ("Episodes", ":material/account_tree:"),
    "memory": ("Memory", ":material/database:"),
    "chat": ("Chat", ":material/chat:"),
}
ADDRESSES = {"chat": "talk"}
"""Pages whose address is not their name: /chat/ itself is the Gradio chat inside."""


def address_of(name: str) -> str:
    """The address of a page, "" of the first one."""
    return "" if name == "overview" else ADDRESSES.get(name, name)


def other_addresses() -> dict[str, str]:
    """What one might type for a page, its name or its title, with its address where that is another."""
    typed = {word: name for name, (title, _) in PAGES.items() for word in (name, title.lower())}
    return {word: address_of(name) for word, name in typed.items() if word != address_of(name)}


def pages_folder() -> Path:
    """The folder of the pages' scripts, in an installation or in a checkout."""
    return INSTALLED_PAGES if INSTALLED_PAGES.is_dir() else ROOT / "pages"


def page(name: str) -> Any:
    """A page of the lab by its name, for navigation and links."""
    title, icon = PAGES[name]
    return st.Page(
        pages_folder() / f"{name}.py", title=title, icon=icon, url_path=ADDRESSES.get(name, name),
        default=name == "overview",
    )  # fmt: skip
