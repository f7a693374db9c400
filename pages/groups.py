"""The groups of one step: the attempts at each example side by side."""

import streamlit as st

from app import attempts, findings, markup
from app.views import errors_in_words, go, nothing_yet, pick_place, trail
from memfactory_core.db import Run

PER_PAGE = 8
ATTEMPTS = 64
LEFT = ("group", "one", "other")


def listed(run: Run, phase: str, step: int) -> str | None:
    count = findings.count_groups(run.id, phase, step)
    number = min(st.session_state.get("groups.page", 1), -(-count // PER_PAGE)) or 1
    rows = findings.groups(run.id, phase, step, PER_PAGE, (number - 1) * PER_PAGE)
    chosen = st.query_params.get("group") or (rows[0]["group_id"] if rows else None)
    st.caption(f"{count:,} groups" if count != 1 else "1 group")
    for row in rows:
        teaches = attempts.teaches(row["lowest"], row["highest"])
        lesson = "teaches" if teaches else "teaches nothing"
        right = f"{row['right']:g} of {row['attempts']}"
        label = (
            f"{markup.plain(row['question'], 60)}  \n"
            f":small[{right} right · mean reward {row['mean']:+.2f}]  \n"
            f":small[spread {row['spread']:.2f} · {lesson}]"
        )
        place = {"run": run.id, "phase": phase, "step": step, "group": row["group_id"]}
        st.button(
            label, key=f"group.{row['group_id']}", width="stretch", on_click=go, kwargs=place,
            icon=":material/school:" if teaches else ":material/remove:",
            type="secondary" if row["group_id"] == chosen else "tertiary",
        )  # fmt: skip
    if count > PER_PAGE:
        st.pagination(-(-count // PER_PAGE), key="groups.page", max_visible_pages=5)
    return chosen


st.title("Groups")
with errors_in_words():
    run, phase, step = pick_place(LEFT)
    if run is None:
        nothing_yet("There is no run yet, so there is no group to look at.")
    elif not phase:
        nothing_yet("This run has no episodes yet: they appear while it evaluates and trains.")
    else:
        trail(run, phase, step)
        names, one = st.columns([1, 2.7], gap="large")
        with names, st.container(key="groups"):
            chosen = listed(run, phase, step)
        with one:
            found = findings.attempts(run.id, phase, step, chosen, ATTEMPTS) if chosen else []
            if found:
                attempts.show(run, found)
            else:
                st.info("There is no such group in this step: choose one on the left.")
