"""Browser sessions that are opened and closed at the real server: its memory and its open files must not grow.

`python -m tests.attacks.sessions 1000` prints what the server holds after 100, 200, 500 and 1,000. Streamlit keeps the
last 128 that were closed for two minutes, each with an event loop of three open files: what is held must not grow
beyond these."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from memfactory_core.runs import database, jobs
from tests.browser.conftest import Server
from tests.filled import fill

WARM = 200
"""Sessions after which that place is full; what is held then is what later figures are compared with."""
PAGES = ("overview", "runs", "runs?run", "groups?run", "episode?run", "memory?run", "compose")


def open_session(server: Server, page: str, run_id: str) -> int:
    """Opens a page as a browser does, waits until its script has ended, and closes the tab; the number of errors that
    the page showed."""
    name, _, named = page.partition("?")
    errors = 0
    with connect(
        f"ws://127.0.0.1:{server.port}/_stcore/stream", subprotocols=["streamlit"], open_timeout=60,
        max_size=None, compression=None,
    ) as socket:  # fmt: skip
        ask = BackMsg()
        ask.rerun_script.page_name = "" if name == "overview" else name
        ask.rerun_script.query_string = f"run={run_id}" if named else ""
        socket.send(ask.SerializeToString())
        while True:
            answer = ForwardMsg.FromString(socket.recv(timeout=60))
            element = answer.delta.new_element if answer.HasField("delta") else None
            errors += bool(element and element.HasField("exception"))
            if answer.HasField("script_finished"):
                return errors


def count_held(server: Server) -> tuple[float, int, int]:
    """Megabytes, open files and sockets, and threads of the server."""
    process = psutil.Process(server.process.pid)
    return process.memory_info().rss / 1e6, process.num_fds(), process.num_threads()


def open_sessions(server: Server, count: int, run_id: str) -> dict[int, tuple[float, int, int]]:
    """Opens and closes so many sessions; what the server held after some of them, printed as it comes."""
    found, errors = {}, 0
    for number in range(1, count + 1):
        errors += open_session(server, PAGES[number % len(PAGES)], run_id)
        if number in (100, WARM, 500, count):
            found[number] = count_held(server)
            memory, files, threads = found[number]
            print(
                f"after {number:,} sessions: {memory:.0f} MB, {files} open files, {threads} threads, "
                f"{errors} errors",
                flush=True,
            )
    assert errors == 0
    return found


def main() -> None:
    """Prints the figures of as many sessions as the first argument says."""
    with tempfile.TemporaryDirectory() as place:
        os.environ["MEMFACTORY_RUNS"] = str(Path(place) / "runs")
        os.environ.pop("MEMFACTORY_DB", None)
        run_id = fill(database.connect(jobs.database_url()), steps=12, examples=12)["trained"]
        server = Server(Path(place))
        server.start()
        try:
            open_sessions(server, int(sys.argv[1]), run_id)
        finally:
            server.kill()


if __name__ == "__main__":
    main()
