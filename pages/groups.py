"""The groups of one step: the attempts at each example side by side."""

import streamlit as st

from app.episode import attempts
from app.markup.safe_text import escape_markdown
from app.reads.groups import list_group_ids, list_groups
from app.shell.listing import Entry, choose_entry
from app.shell.place import choose_place_or_explain, show_breadcrumbs
from app.shell.widgets import errors_in_words
from memfactory_core.runs.tables import Run

DROPPED = ("group", "one", "other")


def entry(row: dict) -> Entry:
    teaches = attempts.teaches(row["lowest"], row["highest"])
    right = attempts.describe_right(row["right"], row["attempts"])
    label = (
        f"{escape_markdown(row['question'], 60)}  \n"
        f":small[{right} · reward {row['mean']:+.2f}]  \n"
        f":small[spread {row['spread']:.2f} · {'teaches' if teaches else 'teaches nothing'}]"
    )
    icon = ":material/school:" if teaches else ":material/remove:"
    return Entry(row["group_id"], label, icon)


def listed(run: Run, phase: str, step: int) -> str | None:
    ids = list_group_ids(run.id, phase, step)
    st.caption(f"{len(ids):,} groups" if len(ids) != 1 else "1 group")
    return choose_entry(
        "group", ids, lambda limit, offset: list_groups(run.id, phase, step, limit, offset),
        entry, {"run": run.id, "phase": phase, "step": step},
    )  # fmt: skip


st.title("Groups")
with errors_in_words():
    if found := choose_place_or_explain("group to look at", DROPPED):
        run, phase, step = found
        show_breadcrumbs(run, phase, step)
        names, one = st.columns([1, 2.7], gap="large")
        with names, st.container(key="groups"):
            chosen = listed(run, phase, step)
        with one:
            whole = list_groups(run.id, phase, step, 1, group_id=chosen) if chosen else []
            if whole:
                attempts.show_group(run, phase, step, whole[0])
            else:
                st.info("There is no such group in this step: choose one on the left.")
