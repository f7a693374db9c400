"""Fixtures shared by the tests: an untrained tiny model, a lab of its own in a temporary folder, parts that are
forgotten."""

import gc
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from memfactory_core.models.manifest import find_manifest
from memfactory_core.models.place import VARIABLE, models_folder

# before torch is imported: the default spin-wait of OpenMP costs a factor of 25 on few shared cores
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# two workers share the cores; one thread each is quicker than two that wait for one another
os.environ.setdefault("OMP_NUM_THREADS", "1")

HERE = Path(__file__).parent
LONGEST = (
    "browser/test_smoke.py", "browser/test_journey.py", "browser/test_debugger.py", "browser/test_login.py",
    "runs/test_supervisor.py", "runs/test_resume.py", "runs/test_jobs.py", "runs/test_busy.py",
    "runs/test_preloaded.py", "runs/test_queue.py", "runs/test_lease.py", "app/test_pages.py", "test_own_parts.py",
    "tasks/test_strategies.py", "tiny/test_tiny.py", "training/test_trainer.py", "runs/test_hub_folder.py",
)  # fmt: skip
"""Files of half a minute or a little less, longest first."""
DATA = Path(__file__).parents[2] / "shared" / "data"
MODELS = models_folder()
"""Where fetched models lie, before a test names another place."""
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PATIENCE = 60_000
"""Milliseconds that a browser test waits for what must come."""


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    item.stash[FAILED] = report.failed or item.stash.get(FAILED, False)
    return report


def pytest_collection_modifyitems(items):
    """What takes longest begins first, so that both workers end together; files stay whole and in their order."""
    files = [item.path.relative_to(HERE).as_posix() for item in items]
    place = {name: number for number, name in enumerate(dict.fromkeys([*LONGEST, *files]))}
    items.sort(key=lambda item: place[item.path.relative_to(HERE).as_posix()])


def pytest_collection_finish():
    """What the imports made stays: without it every full collection, of which each rerun of a page makes one, would go
    over more than a million objects."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def data():
    """The folder of real data files, which is not part of the project."""
    if not DATA.is_dir():
        pytest.skip(f"the real data sets are not here ({DATA.name}/ beside the project's folder)")
    return DATA


@pytest.fixture
def fetched(monkeypatch):
    """A published model by its name, of those that `memfactory get` laid beside this machine's own runs."""

    def require(name: str) -> str:
        monkeypatch.setenv(VARIABLE, str(MODELS))
        if find_manifest(name) is None:
            pytest.skip(f"{name} was not fetched: memfactory get {name}")
        return name

    return require


@pytest.fixture
def registry(monkeypatch):
    """Parts that a test defines or imports from a folder of its own are forgotten after it."""
    from memfactory_core import component

    known = {family: component.kinds(family) for family in component.FAMILIES}
    monkeypatch.setattr(component, "_REGISTRY", known)


def some(values: Iterable[Any], every: int = 3) -> list[Any]:
    """Parameters of a test: each `every`th value in the quick suite, the others among the slow ones."""
    return [
        pytest.param(value, marks=pytest.mark.slow if number % every else ())
        for number, value in enumerate(values)
    ]


ON_BOTH = pytest.mark.parametrize("lab", ["sqlite", "postgresql"], indirect=True)
"""Runs a test, or as `pytestmark` a file's tests, on a SQLite file and on a PostgreSQL server."""


@pytest.fixture
def lab(request, tmp_path, monkeypatch):
    """An engine on an empty database; runs go to a temporary folder."""
    monkeypatch.setenv("MEMFACTORY_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("MEMFACTORY_DB", raising=False)
    if getattr(request, "param", "sqlite") == "postgresql":
        server = request.getfixturevalue("server")
        monkeypatch.setenv("MEMFACTORY_DB", server.new_database())
    from memfactory_core.runs import database, jobs, preloaded

    # once for all tests of this process, the project's own modules too, which nobody changes meanwhile
    preloaded.preload(
        [*preloaded.LIBRARIES, "memfactory_core.cli.main", "memfactory_core.runs.worker"]
    )
    engine = database.connect(jobs.database_url())
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def server():
    """A PostgreSQL server; skipped, with the reason, where none can be started."""
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    from tests.postgresql import Missing, running

    try:
        with running() as started:
            yield started
    except Missing as why:
        pytest.skip(str(why))


@pytest.fixture
def untrained():
    """The tiny architecture with random weights, behind its fast sampler."""
    from memfactory_core.policies.tiny import TinySampler
    from memfactory_core.tiny.model import make_model
    from memfactory_core.tiny.tokenizer import make_tokenizer

    tokenizer = make_tokenizer()
    return TinySampler(make_model(tokenizer, seed=0), tokenizer, seed=0, batch_size=64)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no chromium at {CHROMIUM}: install it, or set CHROMIUM")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(PATIENCE)
    opened = context.new_page()
    yield opened
    if request.node.stash.get(FAILED, False):
        opened.screenshot(path=tmp_path / "last.png")  # what was seen last
    context.close()
