"""The doubts about a run's curves, in words."""

from __future__ import annotations

import streamlit as st

from app.markup.safe_text import escape_markdown
from app.reads.diagnosis import find_diagnosis
from app.run.diagnosis import SENTENCES
from memfactory_core.explain.doubts import doubts
from memfactory_core.explain.stages import starts
from memfactory_core.runs.tables import Run


def show_doubts(run: Run, found: dict[str, list[tuple[int, float]]]) -> None:
    """Doubts about the curves, in words; what the run's diagnosis says above is not said twice. Of a training in stages
    the last one is judged, which has the task as it stands: between stages the curves jump."""
    changes = starts(run.settings.get("training", {}))
    since = changes[-1] if changes else 0
    series = {
        name: [value for step, value in curve if step >= since] for name, curve in found.items()
    }
    known = doubts(series, run.settings.get("reward", {}))
    if not known:
        st.success(
            "Nothing speaks against these curves: answers rise with the reward, the groups teach, "
            "and the policy still tries things.", icon=":material/verified:",
        )  # fmt: skip
    said = {one.kind for one in find_diagnosis(run)[1][:SENTENCES]}
    for doubt in known:
        if doubt.name in said:
            continue
        icon = ":material/warning:" if doubt.serious else ":material/info:"
        (st.warning if doubt.serious else st.info)(escape_markdown(doubt.sentence, 400), icon=icon)
