"""An element that is there twice for a moment is waited for; one that stays twice is a fault."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Error, expect

from tests.browser import redrawing

TWO = '<button disabled>Start</button><button id="old" disabled>Start</button>'


def test_the_old_version_is_taken_away_in_time(page: Any) -> None:
    page.set_content(TWO)
    page.evaluate("setTimeout(() => document.querySelector('#old').remove(), 700)")
    assert page.get_by_role("button", name="Start").is_disabled()
    page.set_content(TWO)
    page.evaluate("setTimeout(() => document.querySelector('#old').remove(), 700)")
    expect(page.get_by_role("button", name="Start")).to_be_disabled()


def test_what_stays_twice_is_said(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redrawing, "PATIENT", 0.5)
    page.set_content(TWO)
    with pytest.raises(Error, match="resolved to 2 elements"):
        page.get_by_role("button", name="Start").is_disabled()
    with pytest.raises((Error, AssertionError), match="resolved to 2 elements"):
        expect(page.get_by_role("button", name="Start")).to_be_disabled()
