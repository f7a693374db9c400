"""The Streamlit entry: page settings, the shared style sheet and the navigation."""

import streamlit as st

from app.access.gate import COOKIE
from app.reads.engine import database_engine, is_open
from app.shell.keepsake import hand_over
from app.shell.links import note_page
from app.shell.pages import PAGES, ROOT, page
from app.shell.widgets import errors_in_words

st.set_page_config(
    page_title="MemFactory Lab", page_icon=ROOT / "app" / "icon.svg", layout="wide",
    initial_sidebar_state=236,
)  # fmt: skip
st.html(ROOT / "app" / "style.css")
chosen = st.navigation([page(name) for name in PAGES])
st.sidebar.caption("MemFactory Lab trains what an agent decides to remember.")
if any(name.startswith(COOKIE) for name in st.context.cookies):
    st.sidebar.html('<a class="mf-plain mf-small" href="/logout" target="_self">Log out</a>')
note_page(chosen)
with st.sidebar:  # before the page, which may take a while: a reload then loses nothing
    hand_over()
with errors_in_words():
    if not is_open():
        with st.spinner("The lab is being opened; a new one brings in its example runs first …"):
            database_engine()
    chosen.run()
