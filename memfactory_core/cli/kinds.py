"""The parts that can be assembled, from the shell: all of a family, or which of them fit into a recipe and why others
do not."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from memfactory_core import component, config
from memfactory_core.assembly.fit import PLACES, find_fits
from memfactory_core.errors import RunError
from memfactory_core.text import one_line


def kinds(
    family: Annotated[str, typer.Argument()] = "",
    fits: Annotated[
        str, typer.Option(help="A recipe: say which kinds fit into it, and why others do not.")
    ] = "",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override a setting of that recipe: a.b=value."),
    ] = None,
    json_: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of a table.")
    ] = False,
) -> None:
    """List the parts that can be assembled."""
    if set_ and not fits:
        raise RunError("--set changes the recipe of --fits: name one, such as --fits memagent-tiny")
    known = tuple(PLACES) if fits else component.FAMILIES
    if family and family not in known:
        what = "in a recipe" if fits and family in component.FAMILIES else "there"
        raise RunError(f"no family called {family!r} {what}; known: {', '.join(known)}")
    chosen = [family] if family else known
    if fits:
        _print_fits(config.load(fits, set_ or ()).dump(), chosen, json_)
        return
    found = {
        name: {kind: part.summary() for kind, part in component.kinds(name).items()}
        for name in chosen
    }
    if json_:
        print(json.dumps(found, indent=2))
        return
    for name, parts in found.items():
        print(name)
        for kind, summary in parts.items():
            print(f"  {kind:20} {summary}")


def _print_fits(values: dict[str, Any], families: list[str] | tuple[str, ...], json_: bool) -> None:
    """For each kind what it would keep, or why it does not fit."""
    found = {name: find_fits(values, PLACES[name], name) for name in families}
    if json_:
        told = {
            name: {
                fit.kind: {"fits": not fit.reason, "reason": fit.reason, "kept": fit.swap.kept, "reset": fit.swap.reset}
                for fit in fits
            }
            for name, fits in found.items()
        }  # fmt: skip
        print(json.dumps(told, indent=2))
        return
    for name, fits in found.items():
        print(name)
        for fit in fits:
            kept = ", ".join(f"{setting}={value}" for setting, value in fit.swap.kept.items())
            fine = f"fits{f'; keeps {kept}' if kept else ''}"
            print(one_line(f"  {fit.kind:20} {f'NO: {fit.reason}' if fit.reason else fine}"))
