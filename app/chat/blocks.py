"""The Gradio chat at /chat/: the talk on the left, the bank beside it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.chat import acts
from app.chat.opening import agent_html, begin, open_named, open_page
from app.chat.talks import AFTER, BEFORE, BOTH
from app.chat.theme import STYLE, THEME
from app.chat.transcript import WELCOME
from app.shell.font import font_face
from app.shell.pages import ROOT
from memfactory_core.talk import hand
from memfactory_core.talk.document import ENDINGS

WAITING = 8
PRESSED = """
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-act]');
  if (button && element.contains(button)) trigger('select', {act: button.dataset.act, id: button.dataset.id});
});
"""
"""Buttons inside HTML say which of them was pressed, and nothing else."""
DROPPED = """
const log = element.closest('#log');
log.addEventListener('dragover', event => event.preventDefault());
log.addEventListener('drop', event => {
  event.preventDefault();
  let input = document.querySelector('#document').previousElementSibling;
  while (input && input.type !== 'file') input = input.previousElementSibling;
  if (!input || !event.dataTransfer.files.length) return;
  input.files = event.dataTransfer.files;
  input.dispatchEvent(new Event('change', {bubbles: true}));
});
"""
"""A document that is dropped on the talk goes the way of the button beside it."""
SAVE_FILE = """lines => {
  if (!lines) return;
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([lines], {type: 'application/jsonl'}));
  link.download = 'bank.jsonl';
  link.click();
  URL.revokeObjectURL(link.href);
}"""
SHOW_LAST = """() => {
  for (const part of [document.querySelector('#log'), ...document.querySelectorAll('#log *')]) {
    const scrolls = ['auto', 'scroll'].includes(getComputedStyle(part).overflowY);
    if (scrolls && !part.classList.contains('mf-you')) part.scrollTop = part.scrollHeight;
  }
}"""
"""The newest message is seen; the page around the talk stays where it is."""
OPENING = '<p class="mf mf-muted" role="status">The talk is being opened …</p>'
EMPTY = "() => ''"
CONFIRM_WIPE = "id => confirm('Remove every memory that is not pinned?') ? id : ''"


def mount(api: Any, path: str) -> None:
    """Puts the chat under a path of the server."""
    style = font_face() + (ROOT / "app" / "style.css").read_text(encoding="utf-8")
    blocks = build()
    blocks.queue(max_size=WAITING, default_concurrency_limit=1, api_open=False)
    gr.mount_gradio_app(
        api, blocks, path=path, theme=THEME, css=style + STYLE, run_history=False, ssr_mode=False,
        show_error=False, footer_links=[], max_file_size="10mb", enable_monitoring=False,
    )  # fmt: skip


def build() -> gr.Blocks:
    """The chat's layout and events."""
    with gr.Blocks(
        title="Chat · MemFactory Lab", analytics_enabled=False, fill_width=True,
        delete_cache=(3600, 3600),
    ) as blocks:  # fmt: skip
        # names nothing but a talk, which the database keeps: no secret, so that it is read after a restart too
        talk_id = gr.BrowserState("", storage_key="memfactory-talk", secret="talk")
        editing = gr.State("")
        lines = gr.Textbox(visible=False)
        with gr.Row(equal_height=False, elem_id="top"):
            agent = gr.Dropdown([], label="Agent", elem_id="agent", scale=4, min_width=170)
            which = gr.Radio(
                [AFTER, BEFORE, BOTH], value=AFTER, label="Who answers", elem_id="which",
                scale=4, min_width=250,
            )  # fmt: skip
            fresh = gr.Button("New talk", elem_id="fresh", size="sm", scale=0, min_width=90)
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=330):
                log = gr.HTML(
                    WELCOME, elem_id="log", autoscroll=True, max_height=380, min_height=120, js_on_load=DROPPED
                )  # fmt: skip
                notice = gr.HTML(OPENING, elem_id="notice")
                with gr.Row(equal_height=True, elem_id="say"):
                    text = gr.Textbox(
                        label="Message", show_label=False, container=False, lines=1, max_lines=6,
                        elem_id="message", scale=6, min_width=110,
                        placeholder="A fact, or a question",
                    )  # fmt: skip
                    ask = gr.Button(
                        "Send", variant="primary", elem_id="send", scale=0, min_width=70,
                        interactive=False,
                    )  # fmt: skip
                    stop = gr.Button("Stop", elem_id="stop", scale=0, min_width=66)
                with gr.Row(equal_height=False, elem_id="ways"):
                    how = gr.Radio(
                        list(acts.HOW), value=next(iter(acts.HOW)), container=False, show_label=False,
                        label="How a message is taken", elem_id="how", scale=3, min_width=270,
                    )  # fmt: skip
                    document = gr.UploadButton(
                        "Read a document", file_types=list(ENDINGS), size="sm", elem_id="document",
                        scale=1, min_width=130,
                    )  # fmt: skip
                    end = gr.Button(
                        "End the session", size="sm", elem_id="end", scale=1, min_width=120,
                        visible=False,
                    )  # fmt: skip
                known = gr.HTML("", elem_id="known", js_on_load=PRESSED)
            with gr.Column(scale=2, min_width=280):
                bank = gr.HTML("", elem_id="bank", js_on_load=PRESSED, max_height=380)
                with gr.Group(visible=False) as editor:
                    memory = gr.Textbox(label="Memory", lines=2, elem_id="memory")
                    with gr.Row():
                        save = gr.Button("Save", variant="primary", size="sm", elem_id="save")
                        cancel = gr.Button("Cancel", size="sm")
                with gr.Row():
                    undo = gr.Button(
                        "Undo the last write", size="sm", elem_id="undo", min_width=130
                    )
                    wipe = gr.Button("Wipe", size="sm", elem_id="wipe", min_width=60)
                name = gr.Dropdown(
                    [], label="Named bank", allow_custom_value=True, elem_id="name",
                    info="It lasts over talks and restarts: choose one, or type a new name.",
                )  # fmt: skip
                with gr.Row():
                    export = gr.Button("Export", size="sm", elem_id="export", min_width=70)
                    import_ = gr.UploadButton(
                        "Import", file_types=[".jsonl"], type="binary", size="sm", min_width=70, elem_id="import"
                    )  # fmt: skip
        shown = [log, bank, notice]
        page = [talk_id, agent, which, name, known, end, ask, *shown]
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        working = private | {"concurrency_limit": 1, "concurrency_id": "agent"}

        for event in (ask.click, text.submit):
            # a message that is sent while another is read waits for its turn
            event(acts.send, [talk_id, text, how], shown, trigger_mode="multiple", **working)
            event(None, None, text, js=EMPTY)
        document.upload(acts.read_file, [talk_id, document], shown, **working)
        end.click(acts.end_session, talk_id, shown, **working)
        log.change(None, js=SHOW_LAST)
        stop.click(acts.request_stop, talk_id, None, queue=False, **private)

        for change in (agent.input, which.input, fresh.click):
            change(begin, [agent, which, name, talk_id], page, **working)
        # a name that is typed is no input event; the page's own change of the box is none of the user's
        name.change(open_named, [agent, which, name, talk_id], page, **working)
        known.select(offer_message, agent, text, queue=False, **private)

        undo.click(lambda i: acts.change(i, hand.undo), talk_id, shown, **private)
        wipe.click(
            lambda i: acts.change(i, hand.wipe, True) if i else gr.skip(), talk_id, shown,
            js=CONFIRM_WIPE, **private,
        )  # fmt: skip
        bank.select(press, talk_id, [*shown, editor, memory, editing], **private)
        save.click(save_memory, [talk_id, editing, memory], [*shown, editor], **private)
        cancel.click(lambda: gr.Group(visible=False), None, editor, queue=False, **private)
        export.click(acts.export_lines, talk_id, lines, **private).then(None, lines, js=SAVE_FILE)
        import_.upload(acts.bring_file, [talk_id, import_], shown, **private)
        blocks.load(open_page, talk_id, page, **working)
    return blocks


def offer_message(agent_id: str, event: gr.EventData) -> str:
    """The offered message that was pressed, for the message's box."""
    found = agent_html(agent_id)[1]
    number = str(getattr(event, "id", ""))
    return found[int(number)].message if number.isdecimal() and int(number) < len(found) else ""


def press(talk_id: str, event: gr.EventData) -> Any:
    """A button of one memory: what it changes, or its text to be edited."""
    act, memory_id = str(getattr(event, "act", "")), str(getattr(event, "id", ""))
    if act == "edit":
        shown = acts.view(acts.talks.find(talk_id))
        return *shown, gr.Group(visible=True), acts.memory_text(talk_id, memory_id), memory_id
    return *acts.press(talk_id, act, memory_id), gr.Group(visible=False), "", ""


def save_memory(talk_id: str, memory_id: str, text: str) -> Any:
    """Writes a memory anew."""
    shown = acts.change(talk_id, lambda talk: hand.edit(talk, memory_id, text))
    return *shown, gr.Group(visible=False)
