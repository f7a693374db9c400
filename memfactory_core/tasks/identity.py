"""Which record is which: the identity of a text, ids that tell records apart, and what is said of a name
that no record has."""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NoReturn

from memfactory_core.errors import ConfigError
from memfactory_core.tasks.data_file import Entry

SHOWN = 12
"""Names that an error lists at most."""


def text_id(parts: Iterable[str]) -> str:
    """The identity of a text as it stands in the data, 16 hexadecimal digits: readers take it before they
    shuffle, cut or date what is read, so that it is the same for every setting and in every file."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.strip().encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()[:16]


def distinct(names: Sequence[str], entries: Sequence[Entry]) -> list[str]:
    """The records' names; those that several records carry get their record's place behind them. Call it with
    all records of the file, before any draw, so that an id never depends on what else was drawn."""
    counts = Counter(names)
    taken = {name for name, count in counts.items() if count == 1}
    result = []
    for name, entry in zip(names, entries, strict=True):
        if counts[name] > 1:
            name = f"{name}-{entry.place.replace(' ', '-')}"
            while name in taken:
                name += "~"
            taken.add(name)
        result.append(name)
    return result


def refuse_unknown(file: str, what: str, wanted: str, known: Iterable[str]) -> NoReturn:
    """Raises ConfigError: the file has no `what` of this name; it says which ones there are and which one is
    near."""
    names = list(dict.fromkeys(known))
    near = [name for name in names if wanted.lower() in name.lower()]
    if not near:
        lower = {name.lower(): name for name in names}
        near = [lower[name] for name in difflib.get_close_matches(wanted.lower(), lower, 1, 0.5)]
    listed = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" * (len(names) > SHOWN))
    hint = f"; did you mean {_shared(wanted, near)!r}?" if near else ""
    raise ConfigError(f"{file}: no {what} {wanted!r}; there are {listed or 'none'}{hint}")


def _shared(wanted: str, near: Sequence[str]) -> str:
    """The one near name; of several, the wanted part in their spelling."""
    if len(near) == 1:
        return near[0]
    at = near[0].lower().find(wanted.lower())
    return near[0][at : at + len(wanted)] if at >= 0 else near[0]
