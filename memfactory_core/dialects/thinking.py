"""What a model thought before it spoke, in the forms in which models and servers give it: tags, only a closing tag
(the template opened it), never closed, and the channels of gpt-oss. `set_apart` is the one place where it is cut
off, whoever is asked and whatever for."""

from __future__ import annotations

import re

from memfactory_core.types import Completion

_NAMES = r"(?:seed:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis|scratchpad)"
_TAG = re.compile(
    rf"<(?P<a>/?){_NAMES}>|\[(?P<b>/?)THINK\]|◁(?P<c>/?)think▷|"
    r"<\|(?P<d>START|END)_THINKING\|>|<\|(?P<e>begin|end)_of_thought\|>",
    re.IGNORECASE,
)
_RESPONSE = re.compile(
    r"<\|(?:START|END)_RESPONSE\|>|<\|(?:begin|end)_of_solution\|>", re.IGNORECASE
)
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")
_CONTROL = re.compile(
    r"<\|(?:start\|>(?:assistant)?|end\|>|return\|>|message\|>|call\|>|constrain\|>\w*)"
)
OPENED = re.compile(rf"(?:<{_NAMES}>|\[THINK\]|◁think▷|<\|START_THINKING\|>)\s*\Z", re.IGNORECASE)
"""The end of a prompt in which the template has opened the thinking."""


def set_apart(completion: Completion) -> Completion:
    """The completion with its thinking moved from `text` to `thinking`; ids stay those that were sampled. Thinking
    that was never closed leaves no text."""
    thinking, text = split_thinking(completion.text)
    if not thinking and text == completion.text:
        return completion
    parts = [part for part in (completion.thinking, thinking) if part]
    return completion.model_copy(update={"text": text, "thinking": "\n".join(parts)})


def split_thinking(output: str) -> tuple[str, str]:
    """(thinking, the rest) of an output; an output without thinking is the rest as it stands."""
    if "<|channel|>" in output:
        return _split_channels(output)
    # a tokenizer that hides special tokens leaves the bare names of gpt-oss's channels
    if output.startswith("analysis") and "assistantfinal" in output:
        thinking, _, text = output[len("analysis") :].rpartition("assistantfinal")
        return thinking.strip(), text.strip()
    tags = list(_TAG.finditer(output))
    if not tags:
        return "", output
    said: list[str] = []
    thought: list[str] = []
    inside, start = False, 0
    for tag in tags:
        piece = output[start : tag.start()]
        mark = next(part for part in tag.groups() if part is not None)
        closes = mark == "/" or mark.lower() == "end"
        if closes and not inside:  # all before a closing tag was thought: the template opened it
            thought += [*said, piece]
            said = []
        else:
            (thought if inside else said).append(piece)
        inside, start = not closes, tag.end()
    (thought if inside else said).append(output[start:])
    return _joined(thought), _RESPONSE.sub("", _joined(said)).strip()


def _split_channels(output: str) -> tuple[str, str]:
    """Of gpt-oss's channels the last `final` one is said, all others are thought."""
    channels = list(_CHANNEL.finditer(output))
    ends = [channel.start() for channel in channels[1:]] + [len(output)]
    thought, said = [], ""
    for channel, end in zip(channels, ends, strict=True):
        content = _CONTROL.sub("", output[channel.end() : end]).strip()
        if channel[1] == "final":
            said = content
        else:
            thought.append(content)
    return _joined(thought), said


def _joined(pieces: list[str]) -> str:
    return "\n".join(piece.strip() for piece in pieces if piece.strip())
