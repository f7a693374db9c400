"""How the page begins: with the talk that was left, or a new one with the agent that was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from app.chat.acts import view
from app.chat.agents import find_agent, list_agents
from app.chat.talks import AFTER, BEFORE, BOTH, LiveTalk, talks
from app.markup.safe_text import escape_html
from memfactory_core.errors import MemFactoryError
from memfactory_core.runs.place import root
from memfactory_core.talk.banks import as_name, list_banks
from memfactory_core.talk.hint import describe
from memfactory_core.talk.offers import Offer, offers

SHORT = 60
"""Characters of an offered message that its button shows."""
PARTS = 10
"""Parts of the page that `show_page` fills."""
NO_NAME = ("None: the bank is this talk's", "")


def open_page(talk_id: str, request: gr.Request) -> Any:
    """Everything on the page: the talk that this browser left, unless the address asks for another agent."""
    wanted = request.query_params.get("run", "")
    ids = [agent_id for _, agent_id in list_agents()]
    chosen = f"run:{wanted}" if f"run:{wanted}" in ids else ""
    try:
        live = talks.find(talk_id)
    except MemFactoryError:  # its agent or its bank is gone: a new talk begins
        live = None
    if live and (not chosen or live.talk.agent == chosen):
        return show_page(live)
    if not ids:
        return show_page(None, "There is no agent yet: train one, or let a run finish.")
    return begin(chosen or _first_trained(ids), AFTER, "", "")


def _first_trained(ids: Sequence[str]) -> str:
    """The newest agent that was trained, of ids that list the newest first; the newest of all where none was."""
    for agent_id in ids:
        try:
            agent = find_agent(agent_id)
        except MemFactoryError:
            continue
        if agent.trained and agent.weights:
            return agent_id
    return ids[0]


def begin(agent_id: str, which: str, bank: str, talk_id: str) -> Any:
    """A new talk; only "both" and back go on with the talk that there is."""
    bank = as_name(bank or "")
    try:
        live = talks.find(talk_id)
        same = live is not None and live.talk.agent == agent_id and live.talk.bank_name == bank
        if live and same and {live.which, which} == {AFTER, BOTH}:
            with live.acting():
                live.compare() if which == BOTH else live.compare_no_more()
            return show_page(live)
        return show_page(talks.begin(agent_id, which, bank))
    except MemFactoryError as error:
        return show_page(talks.find(talk_id) if talk_id else None, str(error), agent_id)


def open_named(agent_id: str, which: str, bank: str, talk_id: str) -> Any:
    """A new talk over the bank of this name, where the talk that there is has another."""
    live = talks.find(talk_id)
    if live is None or live.talk.bank_name == as_name(bank or ""):
        return (gr.skip(),) * PARTS
    return begin(agent_id, which, bank, talk_id)


def show_page(live: LiveTalk | None, problem: str = "", agent_id: str = "") -> Any:
    """The page's parts in the order of its outputs: the talk's id, agent, who answers, bank, what it understands, the
    session's button, the send button, and the view."""
    talk = live.talk if live else None
    agent_id = talk.agent if talk else agent_id
    trained = bool(live and find_agent(agent_id).trained)
    waits = bool(talk and talk.waits_for_session)
    name = talk.bank_name if talk else ""
    banks = [NO_NAME, *((one, one) for one in list_banks(root()))]
    banks += [(name, name)] if name and (name, name) not in banks else []
    return (
        talk.id if talk else "",
        gr.Dropdown(list_agents(), value=agent_id or None),
        gr.Radio(
            [AFTER, BEFORE, BOTH], value=live.which if live else AFTER, visible=trained,
        ),
        gr.Dropdown(banks, value=name),
        agent_html(agent_id)[0] if talk else "",
        gr.Button(visible=waits),
        gr.Button(interactive=live is not None),
        *view(live, problem),
    )  # fmt: skip


def agent_html(agent_id: str) -> tuple[str, list[Offer]]:
    """What the agent understands, with sentences to click, and these sentences."""
    try:
        config = find_agent(agent_id).config
    except MemFactoryError:
        return "", []
    found = offers(config)
    told = describe(config)
    buttons = "".join(_button(number, offer) for number, offer in enumerate(found))
    about = f'<div class="mf-small mf-muted">{escape_html(told)}</div>' if told else ""
    return f'<div class="mf mf-offers">{about}<div>{buttons}</div></div>', found


def _button(number: int, offer: Offer) -> str:
    said = offer.message
    short = said if len(said) <= SHORT else f"… {said[-SHORT:]}"
    return (
        f'<button type="button" data-act="offer" data-id="{number}" title="{escape_html(said, 300)}">'
        f"<b>{escape_html(offer.label)}</b> <span>{escape_html(short)}</span></button>"
    )
