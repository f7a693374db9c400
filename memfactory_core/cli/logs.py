"""Memory logs of other agents from the shell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memfactory_core.cli.foreground import open_database


def import_log(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="A memory log (jsonl), OpenTelemetry spans (OTLP JSON) or Mem0's history.db; several are one log, "
            "in the order of their times."
        ),
    ],
    name: Annotated[str, typer.Option(help="What the run is called.")] = "",
) -> None:
    """Bring in what another agent did with its memory, to see why it forgot (docs/import-logs.md)."""
    from memfactory_core.runs import imported

    print(imported.import_log(open_database(), imported.read_files(files), name).id)
