"""Recipes and records that are damaged by chance, some by somebody who knows the format: each works or is refused in
one line.

`python -m tests.attacks.mutations 5000` tries 5,000 of each and prints the figures; a second argument is the number of
the first one, so that several processes can share the work."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
import tempfile
import tomllib
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from app.shell.status import describe_progress
from memfactory_core import config
from memfactory_core.cli.report import diagnose, print_table, report, setting_lines
from memfactory_core.errors import MemFactoryError
from memfactory_core.runs import database, jobs
from memfactory_core.runs.archive import export_run, import_run
from memfactory_core.runs.devices import needed_device
from memfactory_core.runs.ending import conclude, read_ending
from memfactory_core.runs.tables import Run
from memfactory_core.runs.worker import work
from memfactory_core.text import one_line

NASTY: list[Any] = [
    None, True, 0, -1, 1, 2**31, 2**63, 2**64, -(2**70), 10**400, 0.5, -0.0, 1e308, float("inf"), float("nan"), "",
    " ", "x", "x" * 5000, "\x00", "\x1b[2J", "\ud800", "\u202e", "../../etc/passwd", "/dev/zero", "/", "~", "{}",
    "http://user:key@host/", "$HOME", "{x}", "%s", [], [[]], [None], [1, "a"], {}, {"kind": "nothing"}, {"kind": []},
    {"kind": {"kind": 1}}, {"": ""}, ["x"] * 300, {"kind": "bm25", "top_k": -1}, "bm25", "tiny", "hf", "scripted",
]  # fmt: skip
BYTES = [b"\x00", b"\xff\xfe", b"[", b"]", b"{", b"}", b'"', b"'''", b"=", b".", b"\n", b"#", b"\\u", b"e9999", b"-",
         b"[[", b"nan", b"1" * 5000, b"[" * 3000, b"a.b.c.", "\u2028".encode(), b"\x1b["]  # fmt: skip


@dataclass
class Tally:
    """What became of one kind of input."""

    tried: int = 0
    worked: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        found = (
            f"{self.tried:,} tried: {self.worked:,} work, {self.refused:,} refused in one line, "
        )
        return (
            found
            + f"{len(self.wrong)} tracebacks or wrong"
            + "".join(f"\n{w}" for w in self.wrong[:5])
        )


def damage_bytes(draw: random.Random, text: bytes) -> bytes:
    """One to four bytes or pieces put in, taken out, doubled or changed."""
    for _ in range(draw.choice([1, 1, 2, 4])):
        at = draw.randrange(len(text) + 1)
        end = min(len(text), at + draw.choice([1, 1, 2, 20, 200]))
        change = draw.randrange(4)
        piece = [draw.choice(BYTES), b"", text[at:end] * 2, bytes([draw.randrange(256)])][change]
        text = text[:at] + piece + text[at if change == 0 else end :]
    return text


def damage_values(draw: random.Random, values: Any) -> Any:
    """One to three places of a table or a list changed, left out, added, or exchanged with another place's."""
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        spots = list(_spots(values))
        if not spots:
            return draw.choice(NASTY)
        holder, key = draw.choice(spots)
        change = draw.randrange(5)
        if change == 0:
            del holder[key]
        elif change == 1 and isinstance(holder, dict):
            holder[draw.choice(["kind", "x", "", "path", "model", "id", "\ud800"])] = draw.choice(
                NASTY
            )
        elif change == 2:
            other, name = draw.choice(spots)
            holder[key] = json.loads(json.dumps(other[name]))
        elif change == 3:
            holder[key] = [holder[key]] if draw.random() < 0.5 else {"kind": holder[key]}
        else:
            plain = isinstance(holder[key], int | float) and draw.random() < 0.5
            value = draw.choice([1, 2, 3, 5, 0.5, 0, 100]) if plain else draw.choice(NASTY)
            holder[key] = json.loads(json.dumps(value))
    return values


def _spots(values: Any) -> Any:
    keys = list(values) if isinstance(values, dict) else range(len(values))
    for key in keys:
        yield values, key
        if isinstance(values[key], dict | list):
            yield from _spots(values[key])


def attempt(tally: Tally, name: str, action: Callable[[], Any]) -> None:
    """Counts what an action comes to; it may raise our own errors alone, each fit for one line."""
    tally.tried += 1
    try:
        action()
        tally.worked += 1
    except MemFactoryError as error:
        said = one_line(str(error))
        said.encode()  # as it is printed
        assert said and "\n" not in said and "\x1b" not in said, said
        tally.refused += 1
    except Exception:
        tally.wrong.append(f"{name}: {traceback.format_exc(limit=-4)}")


def mutate_recipes(count: int, first: int, place: Path) -> Tally:
    """Damaged recipes, as files of both formats: read, checked, written again, and asked what they need."""
    tally = Tally()
    sources = [path.read_bytes() for path in config.recipes().values()]
    for number in range(first, first + count):
        draw = random.Random(number)
        source = draw.choice(sources)
        if draw.random() < 0.4:
            file = place / f"{number}.toml"
            file.write_bytes(damage_bytes(draw, source))
        else:
            file = place / f"{number}.json"
            values = damage_values(draw, tomllib.loads(source.decode()))
            text = json.dumps(values).encode()
            file.write_bytes(damage_bytes(draw, text) if draw.random() < 0.2 else text)

        def use(file: Path = file) -> None:
            built = config.load(str(file))
            assert config.build(built.dump()) == built
            built.to_toml()
            needed_device(built)

        attempt(tally, f"recipe {number}", use)
        file.unlink()
    return tally


def mutate_records(count: int, first: int, place: Path) -> Tally:
    """Damaged records of a run: repeated, imported, read as the row and the end of a run, and shown."""
    tally = Tally()
    engine = database.connect(jobs.database_url())
    settings = ["mode=evaluate", "policy=scripted", "evaluation.examples=2", "evaluation.samples=0"]
    run = work(engine, jobs.create(engine, config.load("memagent-tiny", settings)).id)
    bundle = export_run(engine, run, place / "bundle")
    record = (bundle / "run.json").read_bytes()
    ending = b'{"token": "t", "exit_code": 1, "exit_signal": "", "out_of_memory": null, "peak_memory": 5}'
    harmed = place / "harmed"
    shutil.copytree(bundle, harmed)
    for number in range(first, first + count):
        draw = random.Random(number)

        def damaged(source: bytes, draw: random.Random = draw) -> bytes:
            if draw.random() < 0.4:
                return damage_bytes(draw, source)
            return json.dumps(damage_values(draw, json.loads(source))).encode()

        (harmed / "run.json").write_bytes(damaged(record))
        (place / "ending.json").write_bytes(damaged(ending))
        row = Run(**run.model_dump())
        row.folder = str(harmed)
        row.config = damaged(run.config.encode()).decode(errors="replace")
        row.results = damaged(run.results.encode()).decode(errors="replace")
        uses: list[Callable[[], Any]] = [
            lambda: config.load(str(harmed / "run.json")),
            lambda: import_run(engine, harmed),
            lambda row=row: _show(engine, row),
            lambda: conclude(place, read_ending(place, "t")),
        ]
        attempt(tally, f"record {number}", lambda uses=uses, n=number: uses[n % len(uses)]())
    return tally


def _show(engine: Engine, row: Run) -> None:
    with redirect_stdout(StringIO()) as said:
        print_table(row)
    assert "\x1b" not in said.getvalue()
    json.dumps(report(row) | {"diagnosis": diagnose(engine, row)})
    setting_lines(row)
    describe_progress(row)


def _files(place: Path) -> Counter[str]:
    return Counter(str(path.relative_to(place)) for path in place.rglob("*"))


def mutate(count: int, first: int, place: Path) -> dict[str, Tally]:
    """Both, with what was left outside the runs folder."""
    outer = place / "outer"
    inner = outer / "a" / "b" / "inner"
    inner.mkdir(parents=True)
    os.environ["MEMFACTORY_RUNS"] = str(outer / "a" / "b" / "runs")
    tallies = {"recipes": mutate_recipes(count, first, inner)}
    tallies["records"] = mutate_records(count, first, inner)
    shutil.rmtree(outer / "a" / "b" / "runs")
    shutil.rmtree(inner)
    left = Tally(wrong=list(_files(outer) - Counter(["a", "a/b"])))
    return tallies | {"files outside": left}


def main() -> None:
    """Prints the figures of as many mutations of each kind as the first argument says."""
    first = int(sys.argv[2]) if sys.argv[2:] else 0
    os.environ.pop("MEMFACTORY_DB", None)
    with tempfile.TemporaryDirectory() as place:
        for name, tally in mutate(int(sys.argv[1]), first, Path(place)).items():
            print(f"{name}: {tally}" if tally.tried else f"{name}: {tally.wrong or 'none'}")


if __name__ == "__main__":
    main()
