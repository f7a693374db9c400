"""The tokenizer: phrases, consonant-vowel syllables and single characters; bytes for the rest.

Names of the small language become one token per syllable and any other text is spelled, so that
every string comes back exactly as it went in.
"""

from __future__ import annotations

import re
import string

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from memfactory_core.tasks.language import ATTRIBUTES, CHATTER, CONSONANTS, VOWELS

PAD, BOS, SEP, EOS = "<pad>", "<bos>", "<sep>", "<eos>"
SPECIAL = (PAD, BOS, SEP, EOS)
LONGEST = 1024
"""Tokens that the model has positions for."""

HEADINGS = (
    "Memory: ", "\nText: ", "\nFact: ", "\nQuestion: ", "\nAnswer:", "\nQuote:", "\nRepeat:",
    "\nRemember:", "\nUpdate:", "\nSelect:",
)  # fmt: skip
PHRASES = (
    "What is the ", "The ", " of ", " is ", " is gone", "No memory.", "Unknown.", "NOOP", "ADD ",
    "UPDATE ", "DELETE ", " to ", " #", ". ",
)  # fmt: skip
"""What holds sentences together, spaces included: names and attributes then look the same wherever
they stand, which makes copying them easy."""

CHAT_TEMPLATE = """\
{%- macro plain(text) -%}
{{ text | replace('<pad>', '< pad>') | replace('<bos>', '< bos>') | replace('<sep>', '< sep>') \
| replace('<eos>', '< eos>') }}
{%- endmacro -%}
{%- for message in messages -%}
{%- if message['role'] == 'user' -%}
{{ '<bos>' + plain(message['content']) + '<sep>' }}
{%- elif message['role'] == 'assistant' -%}
{{ plain(message['content']) + '<eos>' }}
{%- endif -%}
{%- endfor -%}
"""
"""System messages are left out; a special token that someone typed is broken up by a space."""


def phrases() -> list[str]:
    """Every phrase that is one token, longest first; those of chatter stand between its names."""
    chatter = [part for line in CHATTER for part in re.split(r"{\w+}|\.", line) if part]
    return sorted({*HEADINGS, *PHRASES, *chatter}, key=lambda phrase: (-len(phrase), phrase))


def syllables() -> list[str]:
    """Every lower-case consonant-vowel syllable of the small language."""
    return [consonant + vowel for consonant in CONSONANTS for vowel in VOWELS]


def make_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer, the same at every call. Pads on the left, as generation needs."""
    pieces = [*phrases(), *ATTRIBUTES, "\n", " "]
    pieces += [form for part in syllables() for form in (part, part.capitalize())]
    pieces += string.digits + string.ascii_letters + string.punctuation
    pieces += [f"<0x{byte:02X}>" for byte in range(256)]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys((*SPECIAL, *pieces)))}

    ends = [re.escape(phrase) + r"(?![A-Za-z])" * phrase[-1].isalpha() for phrase in phrases()]
    ends[ends.index(re.escape(". "))] += "(?!#)"
    pattern = "|".join(
        (
            *ends,
            rf"(?<![A-Za-z])(?:{'|'.join(ATTRIBUTES)})(?![A-Za-z])",
            rf"[{CONSONANTS}{CONSONANTS.upper()}][{VOWELS}]",
            r"[\s\S]",
        )
    )
    core = Tokenizer(
        models.BPE(vocab=vocabulary, merges=[], byte_fallback=True, ignore_merges=True)
    )
    core.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "isolated")
    core.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    core.add_special_tokens(
        [AddedToken(token, normalized=False, special=True) for token in SPECIAL]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        bos_token=BOS,
        sep_token=SEP,
        eos_token=EOS,
        chat_template=CHAT_TEMPLATE,
        padding_side="left",
        model_max_length=LONGEST,
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )
