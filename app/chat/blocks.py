"""The Gradio chat at /chat/: a text and a question in, the memory after each section as it is
written, then the answer. All text goes through escape_html; Gradio's HTML element shows it as it
is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import gradio as gr
import streamlit

from app.chat import agents as conversation
from app.chat.agents import Exchange
from app.markup.answers import answer_card
from app.markup.labels import tag
from app.markup.safe_text import escape_html, show_text
from app.markup.sections import section_cards
from app.shell.pages import ROOT
from memfactory_core.errors import ConfigError, MemFactoryError
from memfactory_core.explain import story
from memfactory_core.tasks.language import Fact
from memfactory_core.types import Example

KEPT_EXCHANGES = 10
WAITING = 8
FACTS = {
    "Nine facts, one needed": (
        "Tavi pet Zimo, Rilo city Dema, Tavi boat Tuve, Nalu song Pemi, Rilo pet Hano, "
        "Zeka book Fudo, Nalu city Vore, Gimu pet Lasu, Zeka car Jobi"
    ),
    "In your own words": (
        "Maria cat Felix, Tom car Volvo, Anna city Oslo, Maria boat Aurora, "
        "Tom dog Rex, Anna job baker"
    ),
}
"""Texts of facts; the first one is asked for."""


def fact_example(facts: str) -> list[str]:
    """Text and question of an example, said as the tiny model knows it."""
    said = [Fact(*words.split()) for words in facts.split(", ")]
    return [" ".join(fact.sentence for fact in said), said[0].question]


EXAMPLES = [fact_example(facts) for facts in FACTS.values()]
SHOW_ANSWER = """() => {
  const answers = document.querySelectorAll("#log .mf-answer, #log .mf-open, #log [role=alert]");
  if (answers.length) answers[answers.length - 1].scrollIntoView({block: "nearest"});
}"""
STYLE = """
.gradio-container { max-width: 100% !important; padding: 0 !important; }
.gradio-container .main { padding: 2px 4px !important; }
footer { display: none !important; }
#log { padding: 0 10px 0 4px; }
#weights .wrap { flex-wrap: nowrap; }
"""
WELCOME = (
    '<div class="mf"><div class="mf-empty"><strong>Give the agent something to remember.'
    "</strong><br>It reads the text section by section and writes a small memory. "
    "The answer comes from that memory alone.</div></div>"
)
AFTER, BEFORE = "After training", "Before training"
TEAL = gr.themes.Color(
    "#edf8f7", "#d3efec", "#a9ded9", "#79c8c1", "#41aca4", "#17958d", "#0c7f79", "#0a6a65",
    "#0b5551", "#0b4643", "#062b29",
)  # fmt: skip
THEME = gr.themes.Base(
    primary_hue=TEAL, neutral_hue="zinc", radius_size="md", text_size="md", spacing_size="md",
    font=["Source Sans", "Source Sans Pro", "ui-sans-serif", "system-ui", "sans-serif"],
).set(
    body_background_fill="#ffffff", body_background_fill_dark="#12181a",
    body_text_color="#1c2628", body_text_color_dark="#e4eaea",
    block_background_fill="#ffffff", block_background_fill_dark="#12181a",
    block_border_color="#dde3e3", block_border_color_dark="#313c3f",
    block_label_text_color="#1c2628", block_label_text_color_dark="#e4eaea",
    block_title_text_color="#1c2628", block_title_text_color_dark="#e4eaea",
    input_background_fill="#f4f6f6", input_background_fill_dark="#1b2326",
    button_primary_background_fill="#0c7f79", button_primary_background_fill_dark="#17958d",
    button_primary_text_color="#ffffff", button_primary_text_color_dark="#ffffff",
    button_secondary_background_fill="#eef1f1", button_secondary_background_fill_dark="#222c2f",
    button_secondary_text_color="#1c2628", button_secondary_text_color_dark="#e4eaea",
    checkbox_label_background_fill="#f4f6f6", checkbox_label_background_fill_dark="#1b2326",
    checkbox_background_color_selected="#0c7f79", checkbox_background_color_selected_dark="#17958d",
    checkbox_border_color_selected="#0c7f79", checkbox_border_color_selected_dark="#17958d",
    slider_color="#0c7f79", slider_color_dark="#17958d",
)  # fmt: skip

_stops: dict[str, threading.Event] = {}


def mount(api: Any, path: str) -> None:
    """Puts the chat under a path of the server."""
    style = _font() + (ROOT / "app" / "style.css").read_text(encoding="utf-8")
    blocks = build()
    blocks.queue(max_size=WAITING, default_concurrency_limit=1, api_open=False)
    gr.mount_gradio_app(
        api, blocks, path=path, theme=THEME, css=style + STYLE, run_history=False, ssr_mode=False,
        show_error=False, footer_links=[], max_file_size="1mb", enable_monitoring=False,
    )  # fmt: skip


def _font() -> str:
    """The typeface of the pages around the chat, from Streamlit's own files."""
    folder = Path(streamlit.__file__).parent / "static" / "static" / "media"
    found = sorted(folder.glob("SourceSansVF-Upright*.woff2"))
    if not found:
        return ""
    source = f"url(/static/media/{found[0].name}) format('woff2')"
    return f"@font-face {{ font-family: 'Source Sans'; font-weight: 200 900; src: {source}; }}\n"


def build() -> gr.Blocks:
    """The chat's layout and events."""
    with gr.Blocks(
        title="Chat · MemFactory Lab", analytics_enabled=False, fill_width=True
    ) as blocks:
        history = gr.State([])
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=330):
                agent = gr.Dropdown([], label="Agent", elem_id="agent")
                weights = gr.Radio(
                    [AFTER, BEFORE],
                    value=AFTER,
                    show_label=False,
                    container=False,
                    elem_id="weights",
                )
                text = gr.Textbox(
                    EXAMPLES[0][0], label="Text to read", lines=5, max_lines=8, elem_id="text",
                    placeholder="Paste a text, or take an example below.",
                )  # fmt: skip
                question = gr.Textbox(EXAMPLES[0][1], label="Question", elem_id="question")
                with gr.Row():
                    ask = gr.Button(
                        "Read and answer", variant="primary", elem_id="ask", scale=3,
                        interactive=False,
                    )  # fmt: skip
                    stop = gr.Button("Stop", elem_id="stop", min_width=70, scale=1)
                gr.Examples(
                    EXAMPLES, [text, question], label="Examples", example_labels=list(FACTS)
                )
                with gr.Accordion("More", open=False):
                    sentences = gr.Slider(1, 20, 3, step=1, label="Sentences in a section")
                    again = gr.Checkbox(label="Answer from the last memory, without reading again")
                    upload = gr.UploadButton(
                        "Upload a .txt file", file_types=[".txt"], type="binary", size="sm"
                    )
                    clear = gr.Button("Clear the conversation", size="sm")
            with gr.Column(scale=3, min_width=360):
                log = gr.HTML(WELCOME, elem_id="log", autoscroll=True, max_height=700)
        inputs = [agent, weights, text, question, sentences, again, history]
        for event in (ask.click, question.submit):
            event(
                converse, inputs, [log, history], concurrency_limit=1, concurrency_id="agent",
                show_progress="hidden", api_visibility="private",
            ).then(None, js=SHOW_ANSWER)  # fmt: skip
        stop.click(request_stop, None, None, queue=False, api_visibility="private")
        clear.click(
            lambda: (WELCOME, []), None, [log, history], queue=False, api_visibility="private"
        )
        upload.upload(read_file, upload, [text, log], queue=False, api_visibility="private")
        blocks.load(choose_agent, None, [agent, ask], api_visibility="private")
    return blocks


def choose_agent(request: gr.Request) -> Any:
    """The agents, with the run of the address bar chosen; only now can one be asked."""
    choices = conversation.list_agents()
    wanted = f"run:{request.query_params.get('run', '')}"
    ids = [agent_id for _, agent_id in choices]
    chosen = wanted if wanted in ids else ids[0] if ids else None
    return gr.Dropdown(choices, value=chosen), gr.Button(interactive=chosen is not None)


def converse(
    agent_id: str, weights: str, text: str, question: str, sentences: int, again: bool,
    history: list[Exchange], request: gr.Request,
) -> Iterator[tuple[str, list[Exchange]]]:  # fmt: skip
    """One question: yields the log after each section, then with the answer."""
    stopped = _stops.setdefault(request.session_hash or "", threading.Event())
    stopped.clear()
    exchange = Exchange(agent="", question=(question or "").strip())
    history = [*history, exchange][-KEPT_EXCHANGES:]
    try:
        agent = conversation.find_agent(agent_id, before=weights == BEFORE)
        exchange.agent = agent.label
        example = conversation.example_from_text(text or "", question or "", int(sentences))
        last = next((e for e in reversed(history[:-1]) if e.answer is not None), None)
        if again and last is None:
            raise ConfigError("nothing has been read yet: untick the box and read first")
        exchange.reread = not again
        exchange.context = last.context if again else agent.config.paradigm.start(example)
        yield render(history), history
        sampler = conversation.samplers.get(agent)
        for _ in conversation.play_exchange(agent, sampler, exchange, stopped.is_set):
            yield render(history), history
        conversation.keep_exchange(exchange)
        yield render(history), history
    except MemFactoryError as error:
        exchange.error = str(error)
        yield render(history), history
    except Exception as error:  # whatever a model or a part does, the chat stays usable
        logging.exception("the chat failed")
        exchange.error = (
            f"The agent failed ({type(error).__name__}); the server's log has the details."
        )
        yield render(history), history
    finally:
        _stops.pop(request.session_hash or "", None)


def request_stop(request: gr.Request) -> None:
    """Asks the reading of this browser tab to stop before the policy's next turn."""
    event = _stops.get(request.session_hash or "")
    if event:
        event.set()


def read_file(content: bytes | None) -> tuple[Any, Any]:
    """An uploaded text into the text box; a line in the log where it is no text."""
    try:
        return (content or b"").decode("utf-8-sig"), gr.skip()
    except UnicodeDecodeError:
        return gr.skip(), show_problem(
            "the file is not UTF-8 text: save it as UTF-8 and upload it again"
        )


def render(history: list[Exchange]) -> str:
    """The conversation as HTML; earlier readings are folded."""
    return (
        "".join(_show_exchange(exchange, exchange is history[-1]) for exchange in history)
        or WELCOME
    )


def _show_exchange(exchange: Exchange, newest: bool) -> str:
    parts = [
        f'<div class="mf-asked"><div class="mf-label">{escape_html(exchange.agent or "Agent", 200)}'
        f"</div>{show_text(exchange.question, 'no question')}</div>"
    ]
    example = exchange.example
    if example and exchange.reread:
        parts.append(_show_reading(exchange, example, newest))
    if exchange.answer is not None:
        memories = exchange.context.bank.all()
        parts.append(answer_card("", exchange.answer, memories, needed=example.needed))
    if exchange.error:
        parts.append(show_problem(exchange.error))
    if exchange.kept:
        place = urlencode({"source": "chat", "chat": exchange.kept})
        parts.append(
            f'<p class="mf-open"><a href="/memory?{place}" target="_blank" rel="noopener">'
            'Look into this memory <span class="mf-muted">(a new tab)</span></a></p>'
        )
    return f'<div class="mf mf-turn">{"".join(parts)}</div>'


def _show_reading(exchange: Exchange, example: Example, newest: bool) -> str:
    told = story.sections(example, exchange.context.events)
    total = len(example.observations)
    cards = section_cards(example, told, exchange.context.bank.budget)
    if not newest:
        title = f"How the memory was written, {total} section{'s' if total > 1 else ''}"
        return f"<details><summary>{title}</summary>{cards}</details>"
    if exchange.answer is not None or exchange.error:
        return cards
    doing = f"Reading section {len(told) + 1} of {total}" if len(told) < total else "Answering"
    return f'{cards}<p class="mf-muted" role="status">{doing} …</p>'


def show_problem(message: str) -> str:
    """A note on what went wrong, as a card."""
    label = tag("reject", "!", "Note")
    return f'<div class="mf-card" role="alert">{label} {escape_html(message)}</div>'
