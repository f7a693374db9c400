"""The four steps that every lesson takes: the student commits to a prediction before he sees, looks, changes
something, and is checked by computation. What he said is kept by his browser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from app.shell.keepsake import keep, recall

KEPT = "learn"
"""The name under which a browser keeps what a student said."""
STEPS = ("Predict", "Look", "Change", "Check")


@dataclass(frozen=True)
class Lesson:
    """One lesson: its name in the address, its title, what one can do after it, and its four steps, which return
    whether everything that was asked is answered rightly."""

    name: str
    title: str
    aim: str
    show: Callable[[Course], bool]


def is_done(name: str) -> bool:
    """Whether a lesson was taken to its end."""
    return recall(KEPT).get(name, {}).get("done") == "yes"


class Course:
    """A student's way through one lesson."""

    def __init__(self, name: str) -> None:
        self.name = name

    def _said(self, what: str) -> str:
        return recall(KEPT).get(self.name, {}).get(what, "")

    def _say(self, what: str, said: str) -> None:
        keep(KEPT, self.name, **{what: said})

    def step(self, number: int, told: str = "") -> None:
        """The heading of a step, from 1."""
        st.subheader(f"{number} · {STEPS[number - 1]}", anchor=False)
        if told:
            st.markdown(told)

    def predict(self, question: str, options: Sequence[str]) -> int | None:
        """The number of the option to which the student committed himself; None before that."""
        self.step(1)
        said = self._said("predicted")
        if said.isdecimal() and int(said) < len(options):
            st.markdown(f"{question}  \n**You said:** {options[int(said)]}")
            return int(said)
        chosen = st.radio(question, options, index=None, key=f"{self.name}.predict")
        st.button(
            "Commit to it", type="primary", disabled=chosen is None, key=f"{self.name}.commit",
            on_click=lambda: self._say("predicted", str(options.index(chosen or options[0]))),
        )  # fmt: skip
        st.caption("What there is to see opens after that. A wrong guess costs nothing.")
        return None

    def compare(self, predicted: int, true: int, options: Sequence[str]) -> None:
        """Whether the prediction came true."""
        if predicted == true:
            st.success(f"As you said: {options[true]}.", icon=":material/check:")
        else:
            st.info(f"It came out differently: {options[true]}.", icon=":material/lightbulb:")

    def check_choice(
        self, question: str, options: Sequence[str], right: int, why: str, key: str = "checked"
    ) -> bool:
        """Asks for one of the options; whether the right one was chosen. `why` is told afterwards."""
        chosen = st.radio(
            question, options, index=self._chosen(key, len(options)), key=self._key(key)
        )
        self._button(key, None if chosen is None else str(options.index(chosen)))
        said = self._said(key)
        return self._judge(key, said == str(right), why) if said else False

    def _chosen(self, key: str, count: int) -> int | None:
        said = self._said(key)
        return int(said) if said.isdecimal() and int(said) < count else None

    def check_number(
        self, question: str, right: float, near: float, why: str, key: str = "checked",
        step: float = 1.0, decimals: int = 0,
    ) -> bool:  # fmt: skip
        """Asks for a number; whether it is within `near` of the right one. `why` is told afterwards."""
        said = _number(self._said(key))
        given = st.number_input(
            question, value=said, step=step, format=f"%.{decimals}f", key=self._key(key),
            placeholder="a number", width=360,
        )  # fmt: skip
        self._button(key, None if given is None else repr(float(given)))
        return False if said is None else self._judge(key, abs(said - right) <= near + 1e-9, why)

    def _key(self, key: str) -> str:
        return f"{self.name}.{key}"

    def _button(self, key: str, said: str | None) -> None:
        st.button(
            "Check", disabled=said is None, key=f"{self._key(key)}.button", icon=":material/fact_check:",
            on_click=lambda: self._say(key, said or ""),
        )  # fmt: skip

    def _judge(self, key: str, right: bool, why: str) -> bool:
        with st.container(key=f"{self._key(key)}.judged"):
            if right:
                st.success(f"Right. {why}", icon=":material/check:")
            else:
                st.warning(
                    "Not so. Look again above, change something, and answer anew.",
                    icon=":material/replay:",
                )
        return right

    def finish(self) -> None:
        """Keeps that the lesson was taken to its end."""
        if not is_done(self.name):
            self._say("done", "yes")


def _number(text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
