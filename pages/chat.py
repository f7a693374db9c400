"""The chat with a trained agent, which Gradio serves on the same port."""

from urllib.parse import urlencode

import streamlit as st

from app.reads.runs import find_run
from app.shell.widgets import errors_in_words

st.title("Chat with an agent")
st.caption(
    "The agent reads section by section; you see its memory after each, then the answer. "
    "The last 200 readings are kept."
)
with errors_in_words():
    run = find_run(st.query_params.get("run"))
    place = {"__theme": st.context.theme.type or "light"} | ({"run": run.id} if run else {})
    st.iframe(f"/chat/?{urlencode(place)}", height=760)
