"""The project installed as a stranger does it: what git tracks, built to a wheel, in an empty environment
outside the checkout. Its dependencies are those of the environment that runs the tests, so that nothing is
downloaded."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def tracked_files() -> list[str]:
    """What a new clone would hold, relative to the checkout. CalledProcessError where there is no git."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def copy_tracked(folder: Path) -> None:
    """A clean clone: a checkout's leftovers (build/, caches) would find their way into a wheel."""
    for name in tracked_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)


def build_wheel(source: Path, folder: Path) -> Path:
    """The wheel of a source folder, built by the setuptools that is here."""
    run([*PIP, "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "-w", folder, "."],
        cwd=source)  # fmt: skip
    (wheel,) = folder.glob("memfactory_lab-*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """A new environment that holds the wheel; the path of its `memfactory`."""
    run([sys.executable, "-m", "venv", "--without-pip", folder], cwd=folder.parent)
    python = folder / "bin" / "python"
    run([*PIP, "--python", python, "install", "--quiet", "--no-index", "--no-deps", wheel],
        cwd=folder.parent)  # fmt: skip
    # After the installation: pip must not meet the editable one, whose own .pth file is not read from here.
    own = subprocess.check_output(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    )
    paths = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (Path(own.strip()) / "dependencies.pth").write_text("\n".join(paths) + "\n")
    return folder / "bin" / "memfactory"


def run(command: list[object], cwd: Path, **variables: str) -> str:
    """The standard output of a command in a stranger's environment; its errors where it fails."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=strangers_environment(variables), text=True,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


def strangers_environment(variables: dict[str, str]) -> dict[str, str]:
    """This environment without what leads back to the checkout or to its runs."""
    ours = ("PYTHONPATH", "MEMFACTORY_", "VIRTUAL_ENV", "COVERAGE_", "PYTEST_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | variables


@contextmanager
def lab_at_work(command: list[object], cwd: Path, **variables: str) -> Iterator[str]:
    """The address of a lab that a command serves on a free port, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = cwd / "lab.log"
    with open(log, "wb") as written:
        process = subprocess.Popen(
            [str(part) for part in [*command, "--port", port]], cwd=cwd,
            env=strangers_environment(variables), stdin=subprocess.DEVNULL, stdout=written,
            stderr=written,
        )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 120
        while not answers(url):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.3)
        yield url
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    """Whether a server is there; one that asks for a password first is there."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except urllib.error.HTTPError as error:
        return error.code == 401
    except OSError:
        return False
