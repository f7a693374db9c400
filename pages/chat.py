"""The chat with a trained agent, which Gradio serves on the same port."""

from urllib.parse import urlencode

import streamlit as st

from app.reads.runs import find_run
from app.shell.widgets import errors_in_words

st.title("Chat with an agent")
st.caption(
    "Each message is read by the agent, which decides what to remember; a question is answered from the bank alone. "
    "What ends with a question mark is asked. The last 200 talks are kept."
)
with errors_in_words():
    run = find_run(st.query_params.get("run"))
    place = {"__theme": st.context.theme.type or "light"} | ({"run": run.id} if run else {})
    st.iframe(f"/chat/?{urlencode(place)}", height=900)
