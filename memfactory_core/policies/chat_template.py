"""How messages become the prompt of a language model: by the chat template of its tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from memfactory_core.errors import PolicyError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PROBE = "Xq7probe"
"""What a chat template is tried with."""
Messages = Sequence[dict[str, str]]
"""Role and content of each."""


class ChatTemplate:
    """The chat template of a tokenizer with the options it is given."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self.options: dict[str, Any] = {}
        """To be set before anything is asked of it."""

    def encode_each(self, many: Sequence[Messages]) -> list[list[int]]:
        """The ids of each prompt; what is asked several times is encoded once. Where the template knows no system
        role, the system's text begins the first turn of the user. PolicyError where it refuses some messages."""
        keys = [tuple((one["role"], one["content"]) for one in messages) for messages in many]
        distinct = dict(zip(keys, many, strict=True))
        asked = [fold_system(one) if self.folds_system else list(one) for one in distinct.values()]
        encoded = self._apply(asked, return_dict=True)["input_ids"] if asked else []
        known = dict(zip(distinct, encoded, strict=True))
        return [known[key] for key in keys]

    @cached_property
    def folds_system(self) -> bool:
        """Whether the chat template refuses system messages (Gemma's raises) or leaves them out."""
        system = {"role": "system", "content": PROBE}
        try:
            shown = self._apply([[system, {"role": "user", "content": "u"}]], tokenize=False)[0]
        except PolicyError:
            return True
        return PROBE not in shown

    @cached_property
    def closing(self) -> list[int]:
        """The ids of what the template writes behind a turn of the assistant."""
        said = [{"role": "user", "content": "u"}, {"role": "assistant", "content": PROBE}]
        shown = self.tokenizer.apply_chat_template(said, tokenize=False, **self.options)
        ids: list[int] = self.tokenizer(str(shown).rpartition(PROBE)[2], add_special_tokens=False)[
            "input_ids"
        ]
        return ids

    def _apply(self, many: list[list[dict[str, str]]], **wanted: Any) -> Any:
        from jinja2.exceptions import TemplateError

        try:
            return self.tokenizer.apply_chat_template(
                many, add_generation_prompt=True, **wanted, **self.options
            )
        except (TemplateError, TypeError, ValueError, RecursionError) as error:
            if len(many) > 1:
                for one in many:  # whose fault it is
                    self._apply([one], **wanted)
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            roles = ", ".join(message["role"] for message in many[0])
            raise PolicyError(
                f"the chat template of {self.tokenizer.name_or_path!r} refuses the messages ({roles}): {reason}"
            ) from error


def fold_system(messages: Messages) -> list[dict[str, str]]:
    """The messages without a system role: its text begins the first turn of the user."""
    system = [message["content"] for message in messages if message["role"] == "system"]
    rest = [dict(message) for message in messages if message["role"] != "system"]
    if system and rest and rest[0]["role"] == "user":
        rest[0]["content"] = "\n\n".join([*system, rest[0]["content"]])
    elif system:
        rest.insert(0, {"role": "user", "content": "\n\n".join(system)})
    return rest
