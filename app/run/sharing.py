"""A run taken out of the lab as one file, and one brought in from a file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import streamlit as st

from app.reads.engine import database_engine
from app.shell.links import go_to
from app.shell.widgets import errors_in_words
from memfactory_core.models.folder import measure_folder
from memfactory_core.runs import jobs
from memfactory_core.runs.archive import export_run, import_run
from memfactory_core.runs.bundle_file import ENDINGS
from memfactory_core.runs.tables import Run

LARGEST_WEIGHTS = 200_000_000
"""Bytes of weights that are put into a download; the whole file is held in memory while it is sent."""


def show_download(run: Run) -> None:
    """The button that packs a run when it is clicked; large weights are left to the shell, and that is said."""
    policy = Path(run.folder) / "policy"
    size = measure_folder(policy) if policy.is_dir() else 0
    whole = size <= LARGEST_WEIGHTS
    told = "Settings, curves, episodes and the trained policy in one file for another lab."
    if not whole:
        told = f"Without its weights ({size / 1e9:.1f} GB); with them: memfactory export {run.id} run.zip"
    st.download_button(
        "Download", lambda: pack_run(run, whole), f"{run.id}.zip", "application/zip",
        key=f"download.{run.id}", icon=":material/download:", on_click="ignore", help=told,
    )  # fmt: skip


def pack_run(run: Run, weights: bool = True) -> bytes:
    """The file of a run's export. RunError where it cannot be written."""
    with tempfile.TemporaryDirectory(prefix=f".export.{os.getpid()}.", dir=jobs.root()) as folder:
        file = export_run(database_engine(), run, Path(folder) / "run.zip", weights=weights)
        return file.read_bytes()


def show_upload() -> None:
    """The place for the file of an exported run; what is in it is looked at before anything of it is believed."""
    with st.expander("Bring in a run", icon=":material/upload:"):
        given = st.file_uploader(
            "The file of an exported run", type=[ending.lstrip(".") for ending in ENDINGS], key="runs.upload"
        )  # fmt: skip
        if given is None or st.session_state.get("runs.uploaded") == given.file_id:
            return
        st.session_state["runs.uploaded"] = given.file_id
        with errors_in_words():
            run = bring_in(given.getbuffer())
            go_to("runs", run=run.id)


def bring_in(content: bytes | memoryview) -> Run:
    """The run of an uploaded file. RunError, and nothing left behind, where it is no export."""
    jobs.root().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".export.{os.getpid()}.", dir=jobs.root()) as folder:
        file = Path(folder) / "uploaded"
        file.write_bytes(content)
        return import_run(database_engine(), file)
