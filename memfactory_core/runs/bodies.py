"""How whole episodes are kept: as compressed JSON without log-probs. Attempts at one example say mostly the same, so a
run keeps what they share once, as a `Pattern`: the example, and the first attempt at it, which is the preset dictionary
(RFC 1950) of the others. A long observation stands in a body as its number, for a prompt repeats it whole and a
dictionary reaches back 32 KiB only."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from dataclasses import dataclass
from functools import cached_property

from pydantic_core import to_json

from memfactory_core.trace import Episode

LEAN = {"turns": {"__all__": {"completion": {"logprobs", "kept"}}}}
"""What of an episode is not kept: log-probs, and the ids that were left to each token."""
LONG = 500
"""Bytes from which on an observation is replaced by its number; shorter ones are within reach of the dictionary."""
LEVEL = 6
# no valid JSON holds these two bytes raw, so what is marked can be told from all that anybody wrote
_MARK = re.compile(rb"\x01(\d+)\x02")
_EXAMPLE = b"\x010\x02"
_FIRST = b"\x01\x02"
"""The whole body of the attempt that a pattern was made of: it stands in the pattern already."""


def write_json(episode: Episode) -> bytes:
    """What is kept of an episode, as JSON."""
    return episode.model_dump_json(exclude=LEAN).encode()


def pack(episode: Episode) -> bytes:
    """An episode that stands alone, compressed."""
    return zlib.compress(write_json(episode), LEVEL)


def unpack_json(body: bytes, pattern: bytes | None = None) -> bytes:
    """The JSON of a packed episode; `pattern` is that of its example, None for one that stands alone (those of a
    chat, and what an older version recorded)."""
    return zlib.decompress(body) if pattern is None else Pattern.unpack(pattern).restore(body)


def unpack(body: bytes, pattern: bytes | None = None) -> Episode:
    """The episode that was packed; see `unpack_json`."""
    return Episode.model_validate_json(unpack_json(body, pattern))


@dataclass(frozen=True)
class Pattern:
    """What a run's attempts at one example share: the example's JSON, and that of one attempt with its marks."""

    example: bytes
    first: bytes

    @classmethod
    def of(cls, episode: Episode) -> Pattern:
        """The pattern that the first attempt at an example makes."""
        bare = cls(episode.example.model_dump_json().encode(), b"")
        return cls(bare.example, bare._mark(write_json(episode)))

    @classmethod
    def unpack(cls, packed: bytes) -> Pattern:
        """The pattern that was packed."""
        example, _, first = zlib.decompress(packed).partition(b"\n")
        return cls(example, first)

    def pack(self) -> bytes:
        """The pattern, compressed."""
        # JSON holds no raw line break either
        return zlib.compress(self.example + b"\n" + self.first, LEVEL)

    def pack_episode(self, episode: Episode) -> bytes:
        """An attempt at the pattern's example, compressed against it."""
        marked = self._mark(write_json(episode))
        packer = zlib.compressobj(LEVEL, zdict=self._dictionary)
        return packer.compress(_FIRST if marked == self.first else marked) + packer.flush()

    def restore(self, body: bytes) -> bytes:
        """The JSON of an attempt that `pack_episode` packed."""
        unpacker = zlib.decompressobj(zdict=self._dictionary)
        marked = unpacker.decompress(body)
        if not unpacker.eof:
            raise zlib.error("incomplete")
        if marked == _FIRST:
            marked = self.first
        return _MARK.sub(lambda mark: self._pieces[int(mark[1])], marked)

    @cached_property
    def _dictionary(self) -> bytes:
        return self.example + self.first

    @cached_property
    def _pieces(self) -> list[bytes]:
        """What the marks stand for: the example, then each observation as it is written within quotes."""
        told = json.loads(self.example)["observations"]
        return [self.example, *(to_json(text)[1:-1] for text in told)]

    def _mark(self, whole: bytes) -> bytes:
        marked = whole.replace(self.example, _EXAMPLE, 1)
        numbered = sorted(enumerate(self._pieces[1:], 1), key=lambda pair: -len(pair[1]))
        for number, text in numbered:
            if len(text) < LONG:
                break
            marked = marked.replace(text, b"\x01%d\x02" % number)
        return marked


def key_of(episode: Episode) -> str:
    """What names an episode's pattern within its run: equal for equal examples."""
    return hashlib.sha256(episode.example.model_dump_json().encode()).hexdigest()[:16]
