"""What the lab is, how the loop goes, and the recent runs."""

import streamlit as st

from app.learn.tour import show_tour
from app.markup.loop import loop_picture
from app.run.recent import show_recent_runs
from app.shell.widgets import errors_in_words

st.title("What should an agent remember?")
st.markdown(
    "Assemble an agent's memory from parts and train its decisions with reinforcement learning, "
    "here in the browser. Every write and every read stands beside the reward, "
    "so you can see why something was forgotten."
)
st.html(loop_picture())

with errors_in_words():
    show_tour()
    show_recent_runs()
