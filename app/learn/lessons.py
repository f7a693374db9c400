"""The lessons in their order, and the page that leads through them."""

from __future__ import annotations

import streamlit as st

from app.learn.bounded import show_bounded
from app.learn.cause import show_cause
from app.learn.course import KEPT, Course, Lesson, is_done
from app.learn.credit import show_credit
from app.learn.decides import show_decides
from app.learn.group import show_group_lesson
from app.learn.hacking import show_hacking
from app.learn.reranker import show_reranker
from app.learn.two_dogs import show_two_dogs
from app.shell.address import bind_to_address
from app.shell.keepsake import forget, recall
from app.shell.links import link_to
from app.shell.pages import page
from app.shell.widgets import errors_in_words

LESSONS = (
    Lesson(
        "decides", "What a memory policy decides",
        "Say which decision an answer hung on.", show_decides,
    ),
    Lesson(
        "group", "One frozen group",
        "Work out advantages, ratio, clip and loss of a stored group by hand.", show_group_lesson,
    ),
    Lesson(
        "bounded", "Why a bounded memory lasts",
        "Tell from where on a full context no longer fits.", show_bounded,
    ),
    Lesson(
        "dogs", "Two dogs: ADD or UPDATE",
        "See the mistake that a memory manager makes most easily.", show_two_dogs,
    ),
    Lesson(
        "credit", "Which decision earned it?",
        "Tell what one reward says about each of several decisions.", show_credit,
    ),
    Lesson(
        "reranker", "A reranker learns while you watch",
        "Read from its weights what a reranker has learned.", show_reranker,
    ),
    Lesson(
        "hacking", "Reward hacking",
        "Tell a reward that rises from a policy that learned.", show_hacking,
    ),
    Lesson(
        "cause", "Find the cause",
        "Say from a trace why a fact was lost.", show_cause,
    ),
)  # fmt: skip


def show_lessons() -> None:
    """The list of lessons on the left, the one that is chosen beside it."""
    names = [lesson.name for lesson in LESSONS]
    listed, shown = st.columns([1, 3.2], gap="large")
    with listed:
        # not moved on by finishing it: the next one is opened by the student
        opened = st.session_state.setdefault("learn.opened", _next_open())
        bound = bind_to_address("lesson", names, opened)
        name = st.radio(
            "Lesson", names, format_func=_label, **bound,
            captions=[lesson.aim for lesson in LESSONS],
        )  # fmt: skip
        st.session_state["learn.opened"] = name
        done = sum(map(is_done, names))
        st.progress(done / len(names), f"{done} of {len(names)} taken to the end")
        if recall(KEPT):
            st.button(
                "Begin anew", key="learn.anew", on_click=forget, args=(KEPT,),
                help="Forgets what you said in all lessons. Your browser keeps it until then.",
            )  # fmt: skip
    with shown, errors_in_words():
        _show_lesson(names.index(name))


def _label(name: str) -> str:
    number = next(n for n, lesson in enumerate(LESSONS, 1) if lesson.name == name)
    tick = " :material/check_circle:" if is_done(name) else ""
    return f"{number}. {LESSONS[number - 1].title}{tick}"


def _next_open() -> str:
    """The first lesson that was not taken to its end."""
    return next((lesson.name for lesson in LESSONS if not is_done(lesson.name)), LESSONS[0].name)


def _show_lesson(number: int) -> None:
    lesson = LESSONS[number]
    st.header(lesson.title, anchor=False)
    course = Course(lesson.name)
    if not lesson.show(course):
        return
    if not is_done(lesson.name):
        course.finish()
        st.rerun()  # the list beside it shows the tick
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**This lesson is done.**", width="content")
        if number + 1 < len(LESSONS):
            place = {"lesson": LESSONS[number + 1].name}
            label = f"Next: {LESSONS[number + 1].title}"
            link_to("learn", label, "next", ":material/arrow_forward:", "content", **place)
        else:
            st.page_link(page("compose"), label="Compose a run of your own", icon=":material/tune:")
