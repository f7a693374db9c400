"""Streamlit and Gradio draw the next version of an element before they take the last one away: for a moment a page
may hold both. Whoever asks for the one element then is told that there are two. Here it is asked again, as it is
already when there is none."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Error, Locator, LocatorAssertions, expect

PATIENT = 10.0  # s; what is still there twice is a fault of the page or of the test
ACTS = (
    "check", "click", "dispatch_event", "evaluate", "fill", "focus", "get_attribute", "hover", "inner_text",
    "is_checked", "is_disabled", "is_enabled", "is_visible", "press", "scroll_into_view_if_needed", "select_option",
    "set_input_files", "text_content", "uncheck", "wait_for",
)  # fmt: skip


def ask_again(asked: Callable[..., Any]) -> Callable[..., Any]:
    """The same call, repeated for up to `PATIENT` seconds while it finds more than one element."""

    @functools.wraps(asked)
    def repeated(*args: Any, **settings: Any) -> Any:
        deadline = time.monotonic() + PATIENT
        while True:
            try:
                return asked(*args, **settings)
            # an expectation that is not met is an AssertionError and says which elements it met
            except (Error, AssertionError) as error:
                if "strict mode violation" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    return repeated


def be_patient(patch: pytest.MonkeyPatch, timeout: float) -> None:
    """Locators and what is expected of them bear a page that is being redrawn.

    Args:
        timeout: How long an expectation waits, in ms.
    """
    expect.set_options(timeout=timeout)
    for name in ACTS:
        patch.setattr(Locator, name, ask_again(getattr(Locator, name)))
    for name in dir(LocatorAssertions):
        if name.startswith(("to_", "not_to_")):
            patch.setattr(LocatorAssertions, name, ask_again(getattr(LocatorAssertions, name)))
