"""A run's folder from outside, read as what it is: somebody else's data. Nothing in it is believed before it was
looked at: names, sizes, numbers, texts, and whether its episodes hold together. Nothing is ever unpickled."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from memfactory_core.assignment import explain
from memfactory_core.config import build
from memfactory_core.errors import ConfigError, RunError
from memfactory_core.runs.tables import ENDED
from memfactory_core.runs.weights import damage
from memfactory_core.text import parse_json
from memfactory_core.trace import Episode

EPISODES, METRICS, RECORD = "episodes.jsonl.gz", "metrics.json", "run.json"
POLICY_ENDINGS = (".json", ".safetensors", ".jinja", ".txt", ".model", ".md")
"""Endings of a policy's files; the others may hold code (pickles, Python), and no policy needs them."""
MOST_FILES = 200
LONGEST_RECORD = 4_000_000
LONGEST_METRICS = 100_000_000
LONGEST_LINE = 32_000_000
"""Bytes of one episode."""
LONGEST_EPISODES = 2_000_000_000
"""Bytes of all episodes, unpacked."""
DENSEST = 1000
"""Bytes that a packed byte may become; real episodes stay below 60."""
LONGEST_WEIGHTS = 500_000_000_000
Phase = Literal[
    "untrained/greedy", "untrained/sampled", "before/greedy", "before/sampled", "train",
    "after/greedy", "after/sampled", "imported",
]  # fmt: skip
PHASES: tuple[str, ...] = get_args(Phase)

_Text = Annotated[str, Field(max_length=4000)]
_Step = Annotated[int, Field(ge=0, le=10**9)]
_Moment = Annotated[float, Field(ge=0, le=1e11)]


class Outside(BaseModel):
    """A frozen value from outside: numbers are finite and of their own type; what is not known is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, strict=True)


class Figures(Outside):
    """A mean with its interval."""

    model_config = ConfigDict(extra="allow")
    mean: float
    low: float | None
    high: float | None
    n: int


Results = dict[
    Literal["untrained", "before", "after"], dict[Annotated[str, Field(max_length=300)], Figures]
]
Points = list[tuple[Annotated[str, Field(min_length=1, max_length=200)], _Step, float]]
Line = tuple[Phase, _Step, dict[str, Any]]
POINTS, LINE, RESULTS = TypeAdapter(Points), TypeAdapter(Line), TypeAdapter(Results)


class Judged(Outside):
    """What a judge left out of one evaluation."""

    answers: int
    dropped: int
    reasons: dict[_Text, int]


class JudgeRecord(Outside):
    """Who judged."""

    model: _Text
    host: _Text
    untrained: Judged | None = None
    before: Judged | None = None
    after: Judged | None = None


class ModelRecord(Outside):
    """A model that the run used: where it came from, and its weights' sha256 by file."""

    source: Literal["hub", "package", "folder"]
    version: _Text = ""
    licence: _Text = ""
    manifest: _Text | None = None
    sha256: dict[_Text, _Text] = {}


class ImitationRecord(Outside):
    """What the gate after imitation found."""

    passed: bool
    line: _Text


class Measured(Outside):
    """What the run was measured on."""

    task: _Text
    files: list[_Text]
    split: _Text
    examples: int
    questions: int
    texts: int
    missing_evidence: int


class RunRow(Outside):
    """What is taken over of a run's row: nothing that names a process or a place of the machine it comes from."""

    id: Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    name: Annotated[str, Field(min_length=1, max_length=80)]
    mode: Literal["train", "imitate", "evaluate", "retrieve", "rerank", "imported"]
    state: Annotated[str, Field(max_length=20)]
    reason: _Text = ""
    config: Annotated[str, Field(max_length=LONGEST_RECORD)]
    created: _Moment
    started: _Moment | None = None
    ended: _Moment | None = None
    phase: _Text = ""
    step: _Step = 0
    steps: _Step = 0
    results: Annotated[str, Field(max_length=LONGEST_RECORD)] = "{}"
    seconds: Annotated[float, Field(ge=0, le=1e11)] = 0.0
    tags: Annotated[str, Field(max_length=1000)] = ""
    note: Annotated[str, Field(max_length=4000)] = ""

    def values(self) -> dict[str, Any]:
        """The columns of a row; a run that was exported while it worked has stopped."""
        ended = self.state in ENDED
        return self.model_dump(exclude={"id"}) | {
            "state": self.state if ended else "stopped",
            "reason": self.reason if ended else f"it was {self.state} when it was exported",
            "origin": self.id,
        }


class Record(Outside):
    """The run.json of a bundle."""

    run: RunRow
    versions: dict[_Text, _Text] = {}
    files: dict[_Text, _Text] = {}
    models: dict[_Text, ModelRecord] = {}
    judge: JudgeRecord | None = None
    measured: Measured | None = None
    imitation: ImitationRecord | None = None


class Bundle:
    """A bundle whose files have been listed and whose record was read; curves and episodes are read when asked for.
    RunError where anything is not as it must be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = _list_files(folder)
        values = self._values(RECORD, LONGEST_RECORD)
        self.record = self._checked(TypeAdapter(Record), values, RECORD)
        self.settings = self._settings()
        """The run's settings, checked, as plain values."""
        self.results = self._results()

    def digest(self) -> str:
        """The sha256 of the names and contents of all files, hexadecimal."""
        whole = hashlib.sha256()
        for name, path in sorted(self.files.items()):
            with _open(path) as file:
                of_file = hashlib.file_digest(file, "sha256").hexdigest()
            whole.update(f"{of_file} {name}\n".encode())
        return whole.hexdigest()

    def points(self) -> Points:
        """The curves: name, step, value."""
        if METRICS not in self.files:
            return []
        return self._checked(POINTS, self._values(METRICS, LONGEST_METRICS), METRICS)

    def episodes(self) -> Iterator[tuple[str, int, Episode]]:
        """Phase, step and episode of each line."""
        if EPISODES not in self.files:
            return
        for number, line in enumerate(_unpack(self.files[EPISODES]), 1):
            place = f"{EPISODES}, line {number}"
            phase, step, body = self._checked(LINE, self._parse(line, place), place)
            yield phase, step, self._checked(TypeAdapter(Episode), body, place)

    def check_weights(self) -> None:
        """The policy's files are whole and hold finite numbers."""
        if not any(name.startswith("policy/") for name in self.files):
            return
        why = damage(self.folder / "policy") or _not_finite(self.folder / "policy")
        if why:
            raise RunError(f"{self.folder / 'policy'} is damaged: {why}")

    def _settings(self) -> dict[str, Any]:
        place = f"{RECORD}, run.config"
        values = self._parse(self.record.run.config.encode(), place)
        if not isinstance(values, dict):
            raise RunError(f"{self.folder / RECORD}, run.config: expected a table of settings")
        if self.record.run.mode == "imported":  # of a log, which has no settings
            kept = {name: values[name] for name in ("mode", "name", "log") if name in values}
            if kept.get("mode") != "imported":
                raise RunError(
                    f"{self.folder / RECORD}: the run is no run of its own settings (mode)"
                )
            return kept
        try:
            config = build(values, f"{self.folder / RECORD}, run.config")
        except ConfigError as error:
            raise RunError(str(error)) from error
        if config.mode != self.record.run.mode:
            raise RunError(f"{self.folder / RECORD}: the run is no run of its own settings (mode)")
        return config.dump()

    def _results(self) -> dict[str, Any]:
        place = f"{RECORD}, run.results"
        found = self._checked(RESULTS, self._parse(self.record.run.results.encode(), place), place)
        retrieves = self.record.run.mode in ("retrieve", "rerank")
        for scores in found.values():
            for path in scores:
                slashes = path.count("/")
                if slashes < 1 or (retrieves and slashes != 2) or not path.isprintable():
                    raise RunError(f"{self.folder}/{place}: no result is called {path[:80]!r}")
        return RESULTS.dump_python(found, mode="json")

    def _values(self, name: str, limit: int) -> Any:
        with _open(self.files[name]) as file:
            text = file.read(limit + 1)
        if len(text) > limit:
            raise RunError(f"{self.folder / name} is longer than {limit:,} bytes")
        return self._parse(text, name)

    def _parse(self, text: bytes, place: str) -> Any:
        try:
            return parse_json(text.decode())
        except UnicodeDecodeError as error:
            where = f"{self.folder}/{place}"
            raise RunError(f"{where} is not UTF-8 text (byte {error.start})") from error
        except ValueError as error:
            raise RunError(f"{self.folder}/{place} is not JSON: {error}") from error

    def _checked(self, kind: TypeAdapter[Any], values: Any, place: str) -> Any:
        try:
            # as JSON: its arrays are tuples, and a whole number is good for a float
            return kind.validate_json(json.dumps(values))
        except ValidationError as error:
            problems = explain(error)
            more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
            raise RunError(
                f"{self.folder}/{place}: {'; '.join(p[:200] for p in problems[:3])}{more}"
            ) from error


def _list_files(folder: Path) -> dict[str, Path]:
    """The files of a bundle by their names. RunError for any that no export writes: a link, a device, a folder, a name
    that is not known."""
    found: dict[str, Path] = {}
    try:
        places = [(entry, "") for entry in os.scandir(folder)]
        if not any(entry.name == RECORD for entry, _ in places):
            raise RunError(f"{folder} holds no exported run: {RECORD} is missing")
        if any(
            entry.name == "policy" and entry.is_dir(follow_symlinks=False) for entry, _ in places
        ):
            places = [place for place in places if place[0].name != "policy"]
            places += [(entry, "policy/") for entry in os.scandir(folder / "policy")]
    except OSError as error:
        raise RunError(f"{folder} holds no exported run: {error.strerror}") from error
    if len(places) > MOST_FILES:
        raise RunError(f"{folder} holds more than {MOST_FILES} files: it is no exported run")
    for entry, inside in places:
        name = inside + entry.name
        if not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
            raise RunError(f"{folder}: {name!r} is not a plain file (links are not followed)")
        known = name in (RECORD, METRICS, EPISODES)
        if not known and not (inside and entry.name.lower().endswith(POLICY_ENDINGS)):
            raise RunError(f"{folder}: {name!r} is not a file of an exported run; remove it")
        if not entry.name.isprintable() or not entry.name.isascii():
            raise RunError(f"{folder}: {name!r} is not a name of an exported run's file")
        if entry.stat(follow_symlinks=False).st_size > LONGEST_WEIGHTS:
            raise RunError(f"{folder}: {name!r} is too large")
        found[name] = Path(entry.path)
    return found


def _open(path: Path) -> Any:
    """A plain file, opened; one that became a link since it was listed is refused by the system."""
    try:
        return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error


def _unpack(path: Path) -> Iterator[bytes]:
    """The lines of a gzip file, unpacked piece by piece, so that a small file which unpacks into a huge one ends in a
    RunError and not in memory."""
    unpacker = zlib.decompressobj(wbits=31)
    total, packed, rest = 0, 0, b""
    with _open(path) as file:
        while chunk := unpacker.unconsumed_tail or file.read(65536):
            packed += len(chunk) if not unpacker.unconsumed_tail else 0
            try:
                piece = unpacker.decompress(chunk, 1 << 20)
            except zlib.error as error:
                raise RunError(f"{path} is not a gzip file: {error}") from error
            total += len(piece)
            if total > min(LONGEST_EPISODES, DENSEST * packed + (1 << 20)):
                raise RunError(f"{path} unpacks into more than an exported run holds")
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > LONGEST_LINE or any(len(line) > LONGEST_LINE for line in lines):
                raise RunError(f"{path} has a line longer than {LONGEST_LINE:,} bytes")
            yield from lines
            if unpacker.eof:
                break
    if not unpacker.eof:
        raise RunError(f"{path} is cut short")
    if rest:
        yield rest


def _not_finite(folder: Path) -> str:
    from safetensors import SafetensorError, safe_open

    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, "pt") as file:
                for name in file.keys():  # noqa: SIM118 - not a dict
                    tensor = file.get_tensor(name)
                    if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                        return f"{path.name}: {name[:80]!r} holds NaN or infinite numbers"
        except (SafetensorError, OSError, ValueError) as error:
            return f"{path.name}: {error}"
    return ""
