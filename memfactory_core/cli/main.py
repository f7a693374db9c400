"""The command line: the same recipes and the same words as the browser. Exit codes: 0 done, 2 the user's
input (one line on stderr), 1 a failure of ours (its traceback in the log or on stderr)."""

from __future__ import annotations

import json
import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer
from sqlalchemy.exc import DBAPIError

from memfactory_core import config
from memfactory_core.cli import models, runs
from memfactory_core.cli.chat import chat
from memfactory_core.cli.compare import compare
from memfactory_core.cli.disk import print_removals
from memfactory_core.cli.foreground import announce, begin, conclude, open_database, wait_for
from memfactory_core.cli.kinds import kinds
from memfactory_core.cli.logs import import_log
from memfactory_core.cli.plan import play, print_plan
from memfactory_core.cli.process import resume, settle, stop, work
from memfactory_core.cli.queue import queue
from memfactory_core.cli.report import (
    print_decisions,
    report,
)
from memfactory_core.cli.sweep import sweep
from memfactory_core.cli.table import table
from memfactory_core.config import RunConfig
from memfactory_core.errors import MemFactoryError, RunError
from memfactory_core.runs import database
from memfactory_core.runs.evaluations import evaluation_of
from memfactory_core.text import one_line

app = typer.Typer(
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
    help="Assemble an agent's memory, train its decisions, see why it forgot.",
)  # fmt: skip
app.command(name="get")(models.get)
app.command(name="models")(models.list_models)
app.command(name="import-log")(import_log)
Set = Annotated[
    list[str] | None, typer.Option("--set", help="Override a setting: a.b=value. May be repeated.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


def main() -> None:
    """Runs the command line; errors that a user can mend become one line and exit code 2."""
    # before torch is imported: OpenMP's default spin-wait costs a factor of 25 where processes share cores
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except MemFactoryError as error:
        _leave(str(error))
    except (DBAPIError, OSError) as error:
        cause = database.passing(error)
        if not cause:
            raise
        _leave(f"{cause}; try again when it is free")


def _leave(why: str) -> NoReturn:
    print(f"memfactory: {one_line(why)}", file=sys.stderr)
    sys.exit(2)


@app.command()
def lab(
    port: Annotated[int, typer.Option(help="The port.")] = 8501,
    host: Annotated[
        str, typer.Option(help="The address to bind to; one that others reach needs a password.")
    ] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A further name that the lab answers to. May be repeated."),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(help="Its first line is the password (or set MEMFACTORY_PASSWORD)."),
    ] = None,
) -> None:
    """Open the lab in a browser."""
    # the core knows no page: the lab is started by its name, as `python -m app` would
    sys.argv = ["app", "--host", host, "--port", str(port)]
    sys.argv += [f"--allow-host={name}" for name in allow_host or ()]
    sys.argv += [f"--password-file={password_file}"] if password_file else []
    runpy.run_module("app", run_name="__main__")


@app.command()
def train(
    recipe: str,
    set_: Set = None,
    wait: Annotated[bool, typer.Option(help="Wait for the end and print the table.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what the run needs and would take; start nothing."),
    ] = False,
    json_: Json = False,
) -> None:
    """Train a recipe (a name, a .toml or .json file, a run's run.json) in the background."""
    settings = config.load(recipe, set_ or ())
    if config.lost_stages(recipe, settings) and not any("training.stages" in s for s in set_ or ()):
        print(
            "the recipe's stages are left out: they change settings of parts that are not there any more",
            file=sys.stderr,
        )
    if dry_run:
        print_plan(open_database(), settings, json_)
        return
    run = begin(settings)
    if not (wait or json_):
        announce(run)
        return
    conclude(wait_for(run.id, quiet=json_), json_)


def read_evaluation(recipe: str, assignments: Sequence[str]) -> RunConfig:
    """The settings of an evaluation: of a recipe, or of a run's trained policy."""
    if recipe in config.recipes() or Path(recipe).suffix in (".toml", ".json"):
        trains = config.read(recipe).get("mode", "train") in ("train", "imitate")
        return config.load(recipe, [*(["mode=evaluate"] if trains else []), *assignments])
    return evaluation_of(database.get_run(open_database(), recipe), assignments)


@app.command(name="eval")
def evaluate(recipe: str, set_: Set = None, json_: Json = False) -> None:
    """Measure a recipe, or a run's trained policy (a checkpoint of it: --set weights_step=N, what it started with:
    --set weights_step=0), on held-out examples."""
    settings = read_evaluation(recipe, set_ or ())
    run = begin(settings)
    conclude(wait_for(run.id, quiet=json_), json_)


@app.command()
def demo(
    json_: Json = False,
    seeds: Annotated[str, typer.Option(help="Seeds, separated by commas.")] = "0",
    recipe: Annotated[str, typer.Option(help="The recipe to train.")] = "memagent-tiny",
    set_: Set = None,
) -> None:
    """The main job without a browser: train the tiny preset, print before and after."""
    done = []
    for seed in seeds.split(","):
        settings = config.load(recipe, [f"seed={seed.strip()}", *(set_ or ())])
        run = wait_for(begin(settings).id, quiet=json_)
        done.append(run)
        if not json_:
            conclude(run, False)
        elif run.state != "finished":
            conclude(run, True)
    if json_:
        print(json.dumps({"runs": [report(run) for run in done]}, indent=2))


app.command(name="ls")(runs.list_runs)


@app.command()
def show(run_id: str, json_: Json = False) -> None:
    """Show a run: state, progress, results."""
    conclude(database.get_run(open_database(), run_id), json_, check=False)


@app.command()
def decisions(run_id: str, json_: Json = False) -> None:
    """Show which memory operations were right and which were done, from a run's kept episodes."""
    from memfactory_core.explain.operations import confusion, tell_new_facts
    from memfactory_core.runs.recording import recorded_episodes

    connection = open_database()
    run = database.get_run(connection, run_id)
    phases = [
        f"{when}/{mode}"
        for when in ("untrained", "before", "after")
        for mode in ("greedy", "sampled")
    ]
    counts = {phase: confusion(recorded_episodes(connection, run.id, phase)) for phase in phases}
    counts = {phase: rows for phase, rows in counts.items() if rows}
    if not counts:
        raise RunError(f"the task of run {run.id} does not know which operations are right")
    if json_:
        print(json.dumps(counts, indent=2))
        return
    for phase, rows in counts.items():
        print_decisions(phase, rows)
        if told := tell_new_facts(recorded_episodes(connection, run.id, phase)):
            print(told)


for _command in (
    chat, compare, stop, resume, queue, sweep, table, play, runs.rename, runs.tag, runs.note, runs.delete, kinds,
):  # fmt: skip
    app.command()(_command)


@app.command()
def export(
    run_id: str,
    target: Annotated[Path, typer.Argument(help="A new folder, or a new .zip or .tar.gz file.")],
    every: Annotated[int, typer.Option(help="Of training, keep each N-th step's episodes.")] = 1,
    sampled: Annotated[bool, typer.Option(help="Keep evaluations at temperature 1.")] = True,
    weights: Annotated[bool, typer.Option(help="Keep the trained policy.")] = True,
    half: Annotated[
        bool, typer.Option("--half", help="Weights in bfloat16, half the size.")
    ] = False,
    format_: Annotated[
        Literal["bundle", "huggingface"],
        typer.Option("--format", help="huggingface: the policy alone, with a model card."),
    ] = "bundle",
) -> None:
    """Copy a run, its episodes and its weights into a folder or a file that `memfactory import` reads."""
    from memfactory_core.runs.archive import export_run
    from memfactory_core.runs.hub_folder import export_to_hub_folder

    connection = open_database()
    run = database.get_run(connection, run_id)
    if format_ == "huggingface":
        print(export_to_hub_folder(run, target))
        return
    print(export_run(connection, run, target, every, sampled, weights, half))


@app.command(name="import")
def import_(
    source: Annotated[Path, typer.Argument(help="The folder or the file of an export.")],
) -> None:
    """Bring in a run that was exported."""
    from memfactory_core.runs.archive import import_run

    print(import_run(open_database(), source).id)


@app.command()
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say it, and remove nothing.")] = False,
    every: Annotated[
        int | None,
        typer.Option(min=1, help="Of trainings that ended, keep each N-th step's episodes alone."),
    ] = None,
    json_: Json = False,
) -> None:
    """Remove what the runs' retention does not keep and what killed processes left; never a live run's."""
    from memfactory_core.runs.garbage import collect

    print_removals(collect(open_database(), dry_run, every), dry_run, json_)


@app.command(name="build-tiny")
def build_tiny(out: Annotated[Path | None, typer.Option()] = None, seed: int = 0) -> None:
    """Remake the tiny policy's weights from nothing (minutes on two cores)."""
    from memfactory_core.tiny import WEIGHTS
    from memfactory_core.tiny.build import build

    build(out or WEIGHTS, seed=seed, on_progress=lambda line: print(line, flush=True))


app.command(hidden=True)(work)
app.command(hidden=True)(settle)
