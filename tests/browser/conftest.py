"""The real server in a process of its own and a real browser in front of it. `open_lab` is one that all tests share,
`server` one for a test that kills it or counts its runs. All that lies in this folder is marked `browser`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.browser.redrawing import be_patient
from tests.conftest import PATIENCE

ROOT = Path(__file__).parents[2]


class Server:
    """The lab's web server on a free port; it can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.code = f"from app.server import serve; serve(port={self.port})"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = os.environ | {
            "MEMFACTORY_RUNS": str(self.folder / "runs"),
            "PYTHONPATH": str(ROOT),
        }
        environment.pop("MEMFACTORY_DB", None)
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", self.code], cwd=self.folder, env=environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.url}/api/health", timeout=2) as answer:
                    assert answer.status == 200
                    return
            except OSError:
                assert self.process.poll() is None, (self.folder / "server.log").read_text()
                time.sleep(0.3)
        raise AssertionError(f"no answer: {(self.folder / 'server.log').read_text()}")

    def kill(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    @contextmanager
    def chosen(self) -> Iterator[Server]:
        """What this process reads and writes meanwhile is this lab's."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MEMFACTORY_RUNS", str(self.folder / "runs"))
            patch.delenv("MEMFACTORY_DB", raising=False)
            yield self

    def close(self) -> None:
        """Ends the server and every run."""
        from memfactory_core.runs import database, jobs

        self.kill()
        with self.chosen():
            engine = database.connect(jobs.database_url())
            for run in database.list_runs(engine):
                jobs.stop(engine, run.id, patience=3)


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session", autouse=True)
def redrawn() -> Iterator[None]:
    """Tests bear it that a page is drawn anew while they look."""
    with pytest.MonkeyPatch.context() as patch:
        be_patient(patch, timeout=PATIENCE)
        yield


@pytest.fixture(scope="session")
def open_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A lab that stays open for all tests, with the example runs; a file adds the runs it needs, and looks at its own:

    @pytest.fixture(scope="module")
    def run(open_lab):
        with open_lab.chosen():
            yield with_weights(database.connect(jobs.database_url()))
    """
    from memfactory_core.runs import database, examples, jobs

    lab = Server(tmp_path_factory.mktemp("lab"))
    with lab.chosen():
        examples.ensure(database.connect(jobs.database_url()))
    lab.start()
    yield lab
    lab.close()


@pytest.fixture
def shared(open_lab: Server) -> Iterator[Server]:
    """The shared lab, for a test that reads its database too."""
    with open_lab.chosen():
        yield open_lab


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A lab of one test's own, which may kill it."""
    lab = Server(tmp_path)
    with lab.chosen():
        lab.start()
        yield lab
        lab.close()
