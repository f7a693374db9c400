"""Models from the model hub, where one answers: through huggingface_hub, which resumes what was cut off."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from memfactory_core.errors import ConfigError
from memfactory_core.models.folder import measure_folder
from memfactory_core.models.progress import Tell

ANSWERS_WITHIN = 5.0
"""Seconds that the hub is given to answer at all."""
WANTED = ["*.json", "*.jinja", "*.txt", "*.model", "*.safetensors"]
"""Files that loading a model takes: neither pickles, which are programs, nor weights for other libraries."""
UNWANTED = ["onnx/*", "openvino/*", "original/*", "runs/*"]


class OnHub(NamedTuple):
    """What the hub says of a model: its commit, its licence, the bytes of the wanted files."""

    commit: str
    licence: str
    size: int


def ask_hub(name: str) -> OnHub:
    """What the hub says of a model. ConfigError where it does not answer, has no such model or does not give it."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    try:
        info = HfApi().model_info(name, timeout=ANSWERS_WITHIN, files_metadata=True)
    except GatedRepoError as error:
        raise ConfigError(
            f"{name} is given to accounts that accepted its terms: accept them on the hub, then `hf auth login`"
        ) from error
    except RepositoryNotFoundError as error:
        raise ConfigError(f"the hub has no model called {name}") from error
    except OfflineModeIsEnabled as error:
        raise ConfigError("the hub is switched off (HF_HUB_OFFLINE)") from error
    except HfHubHTTPError as error:
        raise ConfigError(f"the hub answers with an error: {_first_line(error)}") from error
    except Exception as error:  # its HTTP client's own errors, whichever client it is built on
        if not _is_of_the_network(error):
            raise
        raise ConfigError(f"the hub does not answer: {_first_line(error)}") from error
    if not info.sha:
        raise ConfigError(f"the hub names no commit of {name}")
    licence = getattr(info.card_data, "license", None) or "unknown"
    files = [file for file in info.siblings or [] if _is_wanted(file.rfilename)]
    if not any(file.rfilename.endswith(".safetensors") for file in files):
        raise ConfigError(f"{name} has no weights in safetensors, the only form that is fetched")
    return OnHub(info.sha, str(licence), sum(file.size or 0 for file in files))


def _is_wanted(file: str) -> bool:
    from fnmatch import fnmatch

    return any(fnmatch(file, one) for one in WANTED) and not any(
        fnmatch(file, one) for one in UNWANTED
    )


def _is_of_the_network(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return True
    modules = {kind.__module__.split(".")[0] for kind in type(error).__mro__}
    return bool(modules & {"httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3"})


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def download_from_hub(name: str, found: OnHub, folder: Path, tell: Tell) -> None:
    """The model's files of the commit `found` in `folder`; what is there already is not downloaded again. ConfigError
    where the hub falls silent."""
    import threading

    from huggingface_hub import snapshot_download

    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.5):
            done = measure_folder(folder)
            tell(f"downloading {name} from the hub", min(done, found.size), found.size)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        snapshot_download(
            name, revision=found.commit, local_dir=folder, allow_patterns=WANTED,
            ignore_patterns=UNWANTED,
        )  # fmt: skip
    except Exception as error:
        if not _is_of_the_network(error):
            raise
        raise ConfigError(f"the hub fell silent: {_first_line(error)}") from error
    finally:
        ended.set()
        watcher.join()


def find_in_hub_cache(name: str) -> Path | None:
    """Where the hub's own library keeps this model on this machine; None where it does not."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    return folder if (folder / "config.json").is_file() else None
