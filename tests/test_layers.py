"""The tree shows the architecture: imports go downward by room, and each room says what lives in it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "memfactory_core"
FLOORS = (
    "errors", "types", "component endpoint text", "trace models", "embedders", "stores", "dialects",
    "tasks", "rewards", "episode", "extractors", "retrievers", "updaters", "tiny", "policies", "paradigms",
    "assignment", "config", "scoring", "assembly explain logs talk training", "runs", "cli",
)  # fmt: skip
"""The rooms of the core from the ground up. Rooms on one floor do not import each other."""
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms.split()}
SCREEN = {"app", "pages", "streamlit", "gradio", "plotly"}
LONGEST = 350
AT_THE_TOP = 10


def imported(source: str) -> list[str]:
    """Every module that a source names in an import, wherever in the file."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            package = node.module == "memfactory_core"
            found += [f"{node.module}.{a.name}" for a in node.names] if package else [node.module]
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return found


def upward(room: str, source: str) -> list[str]:
    """What a source in this room imports although it stands above it or is of the screen."""
    wrong = []
    for module in imported(source):
        head, _, rest = module.partition(".")
        target = rest.split(".")[0]
        if head in SCREEN:
            wrong.append(module)
        elif head == "memfactory_core" and target in FLOOR and target != room:
            if FLOOR[target] >= FLOOR[room]:
                wrong.append(module)
    return wrong


def room_of(path: Path) -> str:
    return path.relative_to(CORE).with_suffix("").parts[0]


@pytest.mark.parametrize("room", FLOOR)
def test_a_room_imports_only_what_is_below_it(room):
    files = [path for path in CORE.rglob("*.py") if room_of(path) == room]
    assert files, f"no room {room}: name the rooms that there are"
    for path in files:
        assert upward(room, path.read_text()) == [], path.relative_to(ROOT)


def test_every_room_has_its_floor():
    rooms = {room_of(path) for path in CORE.rglob("*.py")}
    assert rooms - {"__init__", "__main__"} == set(FLOOR)


@pytest.mark.parametrize(
    ("room", "planted"),
    [
        ("retrievers", "from memfactory_core.updaters import Updater"),
        ("scoring", "def late():\n    from memfactory_core import runs"),
        ("runs", "import memfactory_core.cli.main"),
        ("explain", "from memfactory_core.training.rows import by_length"),
        ("cli", "import app.server"),
        ("tasks", "import streamlit as st"),
    ],
)
def test_a_planted_import_upward_is_found(room, planted):
    assert len(upward(room, planted)) == 1


def test_rooms_say_what_lives_there_and_files_stay_short():
    python = [
        p
        for name in ("memfactory_core", "app", "pages", "tests")
        for p in (ROOT / name).rglob("*.py")
    ]
    long = {p.name: n for p in python if (n := len(p.read_text().splitlines())) > LONGEST}
    assert not long
    rooms = [p for name in ("memfactory_core", "app") for p in (ROOT / name).rglob("__init__.py")]
    silent = [p.parent.name for p in rooms if not ast.get_docstring(ast.parse(p.read_text()))]
    assert not silent
    assert len(list(CORE.glob("*.py"))) <= AT_THE_TOP
    assert all(path.parent.joinpath("__init__.py").is_file() for path in CORE.rglob("*.py"))
