"""What a run will take of the disk, and what was removed from it, for the shell."""

from __future__ import annotations

import json
from collections.abc import Sequence

from memfactory_core.config import RunConfig
from memfactory_core.runs.footprint import Footprint, in_units
from memfactory_core.runs.garbage import Removal
from memfactory_core.text import one_line


def print_footprint(footprint: Footprint, settings: RunConfig, json_: bool) -> None:
    """What a run with these settings would do and take; nothing was started."""
    if json_:
        print(json.dumps(footprint.model_dump() | {"total": footprint.total}, indent=2))
        return
    training = settings.training
    size = f"{training.steps:,} steps of {training.groups} x {training.group_size} episodes"
    print(one_line(f"{settings.name}: {size}" if settings.mode == "train" else settings.name))
    print(footprint.in_words())


def print_removals(removals: Sequence[Removal], dry_run: bool, json_: bool) -> None:
    """What was removed, or would be, a line each; then the sum."""
    gone = [removal for removal in removals if not removal.kept]
    total = sum(removal.size for removal in gone)
    if json_:
        listed = [removal.model_dump() for removal in removals]
        print(json.dumps({"dry_run": dry_run, "size": total, "removals": listed}, indent=2))
        return
    for removal in removals:
        why = f" (left: {removal.kept})" if removal.kept else ""
        print(one_line(f"{in_units(removal.size):>9}  {removal.kind}: {removal.place}{why}"))
    done = "would be removed" if dry_run else "removed"
    print(f"{in_units(total)} {done}" if gone else "nothing to remove")
