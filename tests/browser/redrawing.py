"""Streamlit and Gradio draw the next version of an element before they take the last one away: for a moment a page
may hold both. Whoever asks for the one element then is told that there are two. Here it is asked again, as it is
already when there is none. `settle` waits until nothing is drawn any more; `press_until` and `fill_until` bear it that
what is done between two drawings is lost."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Error, Locator, LocatorAssertions, Page, expect

PATIENT = 10.0  # s; what is still there twice is a fault of the page or of the test
QUIET = 0.7  # s; a page that is sent on to another address rests for less than this in between
LOST = 8_000  # ms; a click that has shown nothing until then was lost
TRIES = 5
AT_REST = (
    "() => !!document.querySelector('[data-testid=stApp][data-test-script-state=notRunning] h1')"
)
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


def settle(page: Page) -> None:
    """Waits until the page's script is at rest and stays so: it may be started again by what it has drawn itself. A
    page that plays never does; it is looked at after `PATIENT` seconds."""
    page.wait_for_function(AT_REST)
    since = time.monotonic()
    deadline = since + PATIENT
    while time.monotonic() < min(since + QUIET, deadline):
        time.sleep(0.1)
        if not page.evaluate(AT_REST):
            page.wait_for_function(AT_REST)
            since = time.monotonic()


def press_until(button: Locator, shown: Locator) -> None:
    """Clicks, and again where the click was lost because the page was drawn anew under it; for what may be said twice.

    Raises:
        AssertionError: Nothing of what should come is shown after some clicks.
    """
    _repeat(
        button, button.click, shown.first, lambda: expect(shown.first).to_be_visible(timeout=LOST)
    )


def fill_until(field: Locator, value: str, button: Locator) -> None:
    """Types a value and enters it, and again where it was lost in the same way, until the button can be pressed."""

    def fill() -> None:
        field.fill(value)
        field.press("Enter")

    _repeat(field, fill, button, lambda: expect(button).to_be_enabled(timeout=LOST))


def _repeat(
    place: Locator, act: Callable[[], None], seen: Locator, check: Callable[[], None]
) -> None:
    for again in range(TRIES):
        settle(place.page)
        # what was only slow has been heard meanwhile, and may have taken its button away
        if again and seen.is_visible() and seen.is_enabled():
            return
        try:
            expect(place).to_be_enabled()
            act()
            return check()
        except (AssertionError, Error):
            if again == TRIES - 1:
                raise
