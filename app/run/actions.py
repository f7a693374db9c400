"""What can be done with a run: stop, resume, look into it, measure and compare it; and its keeping: name, tags, note,
copies, deletion. Each with the command that does the same."""

from __future__ import annotations

import shlex

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.markup.safe_text import escape_markdown, one_line
from app.reads.engine import database_engine
from app.reads.episodes import count_episodes
from app.reads.runs import ANSWERING
from app.run.sharing import show_download
from app.shell.links import go_to
from app.shell.pages import PAGES
from app.shell.widgets import errors_in_words
from memfactory_core.runs import jobs
from memfactory_core.runs.deletion import delete_run, list_heirs
from memfactory_core.runs.labels import (
    LONGEST_NAME,
    LONGEST_NOTE,
    note_run,
    rename_run,
    tag_run,
)
from memfactory_core.runs.tables import ACTIVE, ENDED, STARTABLE, Run

WIDTHS = (1.5, 0.6, 1.6)


def show_buttons(run: Run) -> None:
    """The row of buttons under a run's state."""
    place = {"run": run.id}
    with st.container(horizontal=True):
        asked = run.state == "stopping"
        if run.state in ACTIVE and st.button("Stop", icon=":material/stop:", disabled=asked):
            jobs.request_stop(database_engine(), run.id)
            st.rerun()
        if run.state in STARTABLE and run.turn is None and st.button(
            "Resume" if run.started else "Start", icon=":material/resume:",
            help=f"memfactory resume {run.id}", key=f"resume.{run.id}",
        ):  # fmt: skip
            with errors_in_words():
                jobs.start(database_engine(), run)
                st.rerun()
        links: dict[str, tuple[str, dict[str, str]]] = {}
        if count_episodes(run.id) > 0:
            # the answers of a log are no attempts at one example
            links = {} if run.mode == "imported" else {"Open its groups": ("groups", place)}
            links["Open its episodes"] = ("episode", place)
        if run.state == "finished" and run.mode in ("train", "imitate"):
            links["Chat with its agent"] = ("chat", place)
        if run.state in ENDED and run.mode in ANSWERING:
            links["Evaluate on …"] = ("evaluate", place)
        if run.summary.get("after") and run.mode in ANSWERING:
            before = f"{run.id}@before," if run.summary.get("before") else ""
            links["Compare"] = ("compare", {"runs": f"{before}{run.id}"})
        if run.mode != "imported":  # of a log there are no settings
            links["Open in Compose"] = ("compose", place)
        for label, (name, where) in links.items():
            if st.button(label, icon=PAGES[name][1]):
                go_to(name, **where)
        if run.state not in ACTIVE:
            show_download(run)


def show_keeping(run: Run) -> None:
    """Name, tags and note, what the run is called and told by; copies; and its end."""
    with st.expander("Name, tags, note, copies, deletion", icon=":material/edit_note:"):
        with errors_in_words():
            _rename(run)
            _tag(run)
            _note(run)
            _copies(run)
            _delete(run)


def _show_command(column: DeltaGenerator, words: str) -> None:
    column.code(words, language="bash", wrap_lines=True)


def _rename(run: Run) -> None:
    field, button, command = st.columns(WIDTHS, vertical_alignment="bottom")
    name = field.text_input("Name", run.name, LONGEST_NAME, key=f"name.{run.id}")
    if button.button("Rename", key=f"rename.{run.id}", width="stretch", disabled=name == run.name):
        rename_run(database_engine(), run.id, name)
        st.rerun()
    _show_command(command, f"memfactory rename {run.id} {shlex.quote(one_line(name))}")


def _tag(run: Run) -> None:
    field, button, command = st.columns(WIDTHS, vertical_alignment="bottom")
    known = run.tag_list
    tags = field.multiselect(
        "Tags", known, default=known, accept_new_options=True, key=f"tags.{run.id}",
        placeholder="Type a tag and press Enter", help="Words by which the list finds it.",
    )  # fmt: skip
    added = [tag for tag in tags if tag not in known]
    gone = [tag for tag in known if tag not in tags]
    if button.button("Tag", key=f"tag.{run.id}", width="stretch", disabled=not (added or gone)):
        tag_run(database_engine(), run.id, added, gone)
        st.rerun()
    words = "".join(f" {shlex.quote(tag)}" for tag in added or (known if not gone else []))
    words += "".join(f" --remove {shlex.quote(tag)}" for tag in gone)
    _show_command(command, f"memfactory tag {run.id}{words}")


def _note(run: Run) -> None:
    field, button, command = st.columns(WIDTHS, vertical_alignment="bottom")
    note = field.text_area("Note", run.note, 68, LONGEST_NOTE, key=f"note.{run.id}")
    if button.button("Keep", key=f"keep.{run.id}", width="stretch", disabled=note == run.note):
        note_run(database_engine(), run.id, note)
        st.rerun()
    _show_command(command, f"memfactory note {run.id} {shlex.quote(note)}")


def _copies(run: Run) -> None:
    st.caption("The same settings again; the whole run as a file, and back:")
    commands = [
        f"memfactory train {shlex.quote(f'{run.folder}/run.json')}",
        f"memfactory export {run.id} {run.id}.zip", f"memfactory import {run.id}.zip",
    ]  # fmt: skip
    st.code("\n".join(commands), language="bash", wrap_lines=True)


def _delete(run: Run) -> None:
    if run.state in ACTIVE:
        st.caption(f"It is {run.state}: it can be deleted when it has ended.")
        return
    heirs = list_heirs(database_engine(), run.id)
    if heirs:
        names = ", ".join(escape_markdown(heir.name, 60) for heir in heirs[:5])
        start = "other run starts" if len(heirs) == 1 else "other runs start"
        st.warning(f"{len(heirs)} {start} from its weights: {names}.")
    field, button, command = st.columns(WIDTHS, vertical_alignment="center")
    sure = field.checkbox(
        "Delete for good", key=f"sure.{run.id}", help="With its episodes and weights."
    )
    if button.button("Delete", key=f"delete.{run.id}", width="stretch", disabled=not sure):
        delete_run(database_engine(), run.id)
        go_to("runs")
    _show_command(command, f"memfactory delete {run.id}")
