"""What browser tests do in the chat's frame."""

from __future__ import annotations

import base64
from typing import Any

from tests.conftest import PATIENCE


def take_first_offer(chat: Any, patience: int = PATIENCE) -> None:
    """Sends the first message that is offered, and waits for the answer. A server that has just started loads its
    libraries first."""
    chat.locator(".mf-offers button").first.click(timeout=patience)
    chat.get_by_label("Message").and_(chat.locator("textarea")).wait_for()
    chat.locator("#message").evaluate(
        "box => new Promise(done => { const look = () => box.querySelector('textarea').value ? done() "
        ": setTimeout(look, 50); look(); })"
    )
    chat.get_by_role("button", name="Send").click()
    chat.locator(".mf-answer strong").first.wait_for(timeout=patience)


def say(chat: Any, message: str) -> None:
    """Sends a message and waits until the talk shows it."""
    count = chat.locator(".mf-you").count()
    chat.get_by_label("Message").fill(message)
    chat.get_by_label("Message").press("Enter")
    chat.locator(".mf-you").nth(count).wait_for()
    chat.locator(".mf-open").first.wait_for()


def drop(chat: Any, name: str, content: bytes) -> None:
    """Drops a file on the talk."""
    chat.locator("#log").evaluate(
        """(log, [name, content]) => {
          const bytes = Uint8Array.from(atob(content), sign => sign.charCodeAt(0));
          const data = new DataTransfer();
          data.items.add(new File([bytes], name));
          log.dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}));
        }""",
        [name, base64.b64encode(content).decode()],
    )
