"""What the lab is, how the loop goes, and the recent runs."""

import streamlit as st

from app.markup.labels import figures_row
from app.markup.safe_text import escape_markdown
from app.reads.runs import list_runs
from app.shell.pages import page
from app.shell.status import describe_progress, show_state
from app.shell.widgets import errors_in_words, show_empty_state
from app.shell.words import describe_age, describe_change
from memfactory_core.tasks.language import Fact

CARDS = 3
NEEDED, OTHER = Fact("Bako", "pet", "Zimo"), Fact("Rilo", "city", "Dema")
STEPS = {
    "Read": "A long text, section by section: "
    f'<q>{OTHER.sentence} <mark class="mf-needed">{NEEDED.sentence}</mark></q>',
    "Write memory": "There is room for little. The agent decides what to keep and what to "
    "overwrite.",
    "Answer": f"<q>{NEEDED.question}</q> The answer comes from the memory alone.",
    "Reward": "Several attempts are compared. The better ones become more likely.",
}

arrow = '<div class="mf-arrow" aria-hidden="true">→</div>'
cards = arrow.join(
    f'<div class="mf-card"><h4><span class="mf-number" aria-hidden="true">{i}</span>{title}</h4>'
    f"<div>{text}</div></div>"
    for i, (title, text) in enumerate(STEPS.items(), 1)
)

st.title("What should an agent remember?")
st.markdown(
    "Assemble an agent's memory from parts and train its decisions with reinforcement learning, "
    "here in the browser. Every write and every read stands beside the reward, "
    "so you can see why something was forgotten."
)
st.html(
    f'<div class="mf"><div class="mf-loop">{cards}</div><div class="mf-back"></div>'
    '<div class="mf-learn mf-muted">GRPO repeats the loop: '
    "what earned more is done more often</div></div>"
)

with errors_in_words():
    shown = list_runs(CARDS)
    done = [run for run in list_runs(50) if run.state == "finished" and run.mode == "train"]
    with st.container(horizontal=True):
        if st.button("Start here", type="primary", icon=":material/play_arrow:"):
            st.switch_page(page("compose"))
        if done and st.button("Open the example run", icon=":material/show_chart:"):
            st.switch_page(page("runs"), query_params={"run": done[-1].id})

    st.subheader("Recent runs")
    if not shown:
        show_empty_state(
            "There is no run yet. The preset *MemAgent, tiny, CPU* trains in a few minutes."
        )
    for column, run in zip(st.columns(CARDS), shown, strict=False):
        with column.container(border=True):
            st.markdown(f"**{escape_markdown(run.name)}**")
            with st.container(horizontal=True, vertical_alignment="center"):
                show_state(run)
                st.caption(describe_age(run.created))
            st.html(
                figures_row(
                    {
                        "Exact match": describe_change(run, "exact_match"),
                        "Needed fact kept": describe_change(run, "kept"),
                    }
                )
            )
            st.caption(describe_progress(run) or "not started")
            st.page_link(
                page("runs"),
                label="Open",
                icon=":material/arrow_forward:",
                query_params={"run": run.id},
            )
