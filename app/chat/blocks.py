"""The Gradio chat at /chat/: a text and a question in, the memory after each section as it is written,
then the answer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import gradio as gr

from app.chat.agents import find_agent, list_agents, samplers
from app.chat.example_text import example_from_text
from app.chat.exchange import Exchange, keep_exchange, play_exchange
from app.chat.theme import STYLE, THEME
from app.chat.transcript import WELCOME, render, show_problem
from app.shell.font import font_face
from app.shell.pages import ROOT
from memfactory_core.errors import ConfigError, MemFactoryError
from memfactory_core.tasks.language import Fact

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
AFTER = "After training"
BEFORE = "Before training"
_stops: dict[str, threading.Event] = {}


def mount(api: Any, path: str) -> None:
    """Puts the chat under a path of the server."""
    style = font_face() + (ROOT / "app" / "style.css").read_text(encoding="utf-8")
    blocks = build()
    blocks.queue(max_size=WAITING, default_concurrency_limit=1, api_open=False)
    gr.mount_gradio_app(
        api, blocks, path=path, theme=THEME, css=style + STYLE, run_history=False, ssr_mode=False,
        show_error=False, footer_links=[], max_file_size="1mb", enable_monitoring=False,
    )  # fmt: skip


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
    choices = list_agents()
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
        agent = find_agent(agent_id, before=weights == BEFORE)
        exchange.agent = agent.label
        example = example_from_text(text or "", question or "", int(sentences))
        last = next((e for e in reversed(history[:-1]) if e.answer is not None), None)
        if again and last is None:
            raise ConfigError("nothing has been read yet: untick the box and read first")
        exchange.reread = not again
        exchange.context = last.context if again and last else agent.config.paradigm.start(example)
        yield render(history), history
        sampler = samplers.get(agent)
        for _ in play_exchange(agent, sampler, exchange, stopped.is_set):
            yield render(history), history
        keep_exchange(exchange)
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
