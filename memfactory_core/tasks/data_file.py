"""Reads data files (json, jsonl, parquet, csv) as entries that know their file and place, so that a
task's error names the file, the record and the field."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os.path
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import AfterValidator

from memfactory_core.errors import ConfigError
from memfactory_core.text import check_values

FORMATS = (".json", ".jsonl", ".parquet", ".csv")
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
LONGEST_CELL = 2**31 - 1
"""Characters in a cell of a csv file; the csv module's own limit is 131,072."""
_MISSING = object()


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path)) if path else ""


DataPath = Annotated[str, AfterValidator(_absolute)]
"""The path of a data file: absolute from the moment it is read as a setting, so that it means the file that
it named where it was typed; `~` is the home folder."""
Item = TypeVar("Item")
_NAMES = {
    str: "text",
    list: "a list",
    dict: "a table",
    int: "a whole number",
    bool: "true or false",
}


@dataclass(frozen=True)
class Entry:
    """One record of a file, or a record inside a record. Fields are named by dotted paths."""

    values: dict[str, Any]
    file: str
    place: str
    prefix: str = ""

    def fail(self, field: str, problem: str) -> NoReturn:
        """Raises ConfigError with file, place and field."""
        raise ConfigError(f"{self.file}, {self.place}, field {self.prefix + field!r}: {problem}")

    def has(self, field: str) -> bool:
        """Whether the field is there and not null."""
        return self._find(field) not in (_MISSING, None)

    def value(self, field: str, kind: type | tuple[type, ...]) -> Any:
        """The field's value. ConfigError where it is missing or of another type."""
        found = self._find(field)
        if found is _MISSING:
            self.fail(field, f"is missing; the fields here are {', '.join(self.values) or 'none'}")
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(found, kinds) or (isinstance(found, bool) and bool not in kinds):
            expected = " or ".join(_NAMES.get(one, one.__name__) for one in kinds)
            self.fail(field, f"expected {expected}, got {_shorten(found)}")
        return found

    def text(self, field: str) -> str:
        """The field's text, stripped; it may not be empty."""
        found = self.value(field, str).strip()
        if not found:
            self.fail(field, "is empty")
        return found

    def texts(self, field: str) -> list[str]:
        """A field that is a list of texts."""
        return self.items(field, str)

    def items(self, field: str, kind: type) -> list[Any]:
        """A field that is a list of values of one type."""
        found = self.value(field, list)
        for number, item in enumerate(found, 1):
            if not isinstance(item, kind) or (isinstance(item, bool) and kind is not bool):
                self.fail(field, f"item {number}: expected {_NAMES[kind]}, got {_shorten(item)}")
        return found

    def answers(self, field: str) -> tuple[str, ...]:
        """A field that holds one answer or a list of them; numbers become texts. What a table writes for a
        missing number (NaN) is no answer."""
        found = self.value(field, (str, int, float, bool, list))
        answers = found if isinstance(found, list) else [found]
        for item in answers:
            if not isinstance(item, str | int | float):
                self.fail(field, f"expected an answer or a list of answers, got {_shorten(item)}")
        texts = tuple(text for item in answers if (text := _written(item)))
        if not texts:
            self.fail(field, "is empty")
        return texts

    def entries(self, field: str, noun: str) -> list[Entry]:
        """A field that is a list of records; each knows its number, counted from 1."""
        return [
            Entry(item, self.file, f"{self.place}, {noun} {number}", f"{self.prefix}{field}.")
            for number, item in enumerate(self.items(field, dict), 1)
        ]

    def _find(self, field: str) -> Any:
        found: Any = self.values
        if field in self.values:
            return self.values[field]
        for key in field.split("."):
            if not isinstance(found, dict) or key not in found:
                return _MISSING
            found = found[key]
        return found


def read_entries(path: str) -> list[Entry]:
    """The records of a file. ConfigError where it is missing, empty, of an unknown format or
    broken."""
    if not path:
        raise unreadable(path)
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise ConfigError(f"{path}: expected a file that ends in {', '.join(FORMATS)}")
    read = {
        ".json": _read_json,
        ".jsonl": _read_jsonl,
        ".parquet": _read_parquet,
        ".csv": _read_csv,
    }
    try:
        entries = read[suffix](path)
    except OSError as error:
        raise unreadable(path, error) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {error.start})") from error
    if not entries:
        raise ConfigError(f"{path}: holds no records")
    return entries


def sha256(path: str) -> str:
    """The hexadecimal sha256 of a data file. ConfigError where there is none."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: str, error: OSError | None = None) -> ConfigError:
    """The error of a data file that cannot be read: none is named, or the system says why."""
    if not path:
        return ConfigError(
            "the task names no data file: set its path to yours (--set task.path=FILE)"
        )
    why = (error.strerror or error) if error else "No such file"
    return ConfigError(f"{path}: cannot be read: {why}; set the task's path to your file")


def take(items: Sequence[Item], count: int, seed: int) -> list[Item]:
    """All items, or a seeded draw of `count` of them in their order."""
    if count >= len(items):
        return list(items)
    chosen = sorted(random.Random(f"take {seed}").sample(range(len(items)), count))
    return [items[index] for index in chosen]


def _parse(text: str) -> Any:
    """JSON as tables write it: NaN is a missing number. ValueError also where it is nested beyond what Python reads, or
    an escape leaves half a surrogate pair, which no file or database could hold again."""
    try:
        values = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if _HALF.search(text):
        check_values(values)
    return values


def _read_json(path: str) -> list[Entry]:
    try:
        values = _parse(Path(path).read_text(encoding="utf-8-sig"))
    except ValueError as error:
        if isinstance(error, UnicodeDecodeError):
            raise
        raise ConfigError(f"{path}: is not JSON: {error}") from error
    records = values if isinstance(values, list) else [values]
    return [_entry(record, path, f"record {number}") for number, record in enumerate(records, 1)]


def _read_jsonl(path: str) -> list[Entry]:
    entries = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8-sig").split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = _parse(line)
        except ValueError as error:
            raise ConfigError(f"{path}, line {number}: is not JSON: {error}") from error
        entries.append(_entry(record, path, f"line {number}"))
    return entries


def _read_parquet(path: str) -> list[Entry]:
    import pyarrow
    from pyarrow import parquet

    try:
        rows = parquet.read_table(path).to_pylist()
    except FileNotFoundError:
        raise
    except (pyarrow.ArrowException, OSError, OverflowError) as error:
        if getattr(error, "errno", None):  # the system's own: no such right, a folder
            raise
        why = (str(error).splitlines() or ["nothing can be read from it"])[0]
        raise ConfigError(f"{path}: is not a parquet file: {why[:200]}") from error
    return [Entry(row, path, f"record {number}") for number, row in enumerate(rows, 1)]


def _read_csv(path: str) -> list[Entry]:
    entries, line = [], 2
    csv.field_size_limit(LONGEST_CELL)
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            for row in reader:
                if None in row or None in row.values():
                    wanted = len(reader.fieldnames or ())
                    raise ConfigError(
                        f"{path}, line {line}: expected {wanted} columns, as in the header"
                    )
                entries.append(Entry(row, path, f"line {line}"))
                line = reader.line_num + 1
        except csv.Error as error:
            raise ConfigError(f"{path}, line {line}: is not CSV: {error}") from error
    return entries


def _entry(record: Any, path: str, place: str) -> Entry:
    if not isinstance(record, dict):
        raise ConfigError(f"{path}, {place}: expected a table of fields, got {_shorten(record)}")
    return Entry(record, path, place)


def _written(answer: str | int | float) -> str:
    """An answer as a text; tables turn whole numbers into floats where one is missing, so 2023.0 is 2023."""
    if isinstance(answer, float) and not math.isfinite(answer):
        return ""
    whole = isinstance(answer, float) and answer.is_integer()
    return str(int(answer) if whole else answer).strip()


def _shorten(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
