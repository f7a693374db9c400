"""What was removed from the disk, for the shell."""

from __future__ import annotations

import json
from collections.abc import Sequence

from memfactory_core.runs.footprint import in_units
from memfactory_core.runs.garbage import Removal
from memfactory_core.text import one_line


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
