"""All benches, one after the other, each in a process of its own: `make bench`, or `python -m bench.report`.

Writes one JSON (`--out`) and prints its tables, which docs/performance.md holds. About five minutes on a calm machine.
What cannot be measured is named with the reason. A bench that fails is an error of the command; a model that was not
fetched is none.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import scale
from memfactory_core.models.manifest import find_manifest

ROOT = Path(__file__).parents[1]
CHAT = (
    "smollm2-135m", "--steps", "1", "--warm", "0", "--set", "training.groups=1",
    "--set", "training.micro_batches=2",
)  # fmt: skip
RECIPES = ("memagent-tiny", "memory-r1-tiny", "rmm-tiny")
PATIENCE = 600
"""Seconds after which one bench is given up."""


def run(module: str, *words: str) -> list[dict[str, Any]]:
    """What a bench printed as JSON, a line each, or one entry that says what went wrong."""
    settings = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    command = [sys.executable, "-m", f"bench.{module}", *words]
    began = time.monotonic()
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return [{"failed": f"{module} {' '.join(words)} took more than {PATIENCE} s"}]
    print(f"{module} {' '.join(words)}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    if done.returncode:
        return [{"failed": f"{module} {' '.join(words)}: {done.stderr.strip().splitlines()[-1]}"}]
    # TRL prints its own tables, with single quotes
    lines = [line for line in done.stdout.splitlines() if line.startswith(('{"', "[{"))]
    found = [json.loads(line) for line in lines]
    return found[0] if found and isinstance(found[0], list) else found


def measure() -> dict[str, Any]:
    """Every bench's figures, and the machine."""
    began = time.monotonic()
    found: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(), "machine": machine(),
        "load": round(os.getloadavg()[0], 1),
        "step": [row for recipe in RECIPES for row in run("step", recipe)],
        "scale": run("scale", "--json", "--seconds", "0.5"),
        "generation_memory": run("generation_memory", "--rows", "8", "--tokens", "2048"),
    }  # fmt: skip
    found["chat_step"] = measure_chat_step()
    return found | {"seconds": round(time.monotonic() - began)}


def measure_chat_step() -> list[dict[str, Any]]:
    """A step of the published model, where it is here."""
    if find_manifest(CHAT[0]):
        return run("chat_step", *CHAT)
    return [{"left_out": f"not measured: memfactory get {CHAT[0]}"}]


def machine() -> str:
    """The processor's name and how many there are."""
    info = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (info.read_text().splitlines() if info.is_file() else ())
        if line.startswith("model name")
    ]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} processors"


RATIOS = ("reference_to_ours", "ours_to_bound", "bound_to_lean", "ours_to_lean")
"""What `bench/step.py` compares."""


def step_table(rows: list[dict[str, Any]]) -> str:
    """Training steps as a Markdown table."""
    lines = [
        "| recipe | ours, s: all (sampling, learning) | reference / ours | ours / bound | bound / lean | ours / lean "
        "| new tokens/s | peak, MiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if "failed" in row:
            lines.append(f"| {row['failed']} | | | | | | | |")
            continue
        ours, ratios = row["ours"], [row[name] for name in RATIOS]
        phases = [f"{ours[f'{phase}_s'] / ours['all_s']:.0%}" for phase in ("sampling", "learning")]
        told = [f"{middle} [{low}, {high}]" for middle, low, high in ratios]
        lines.append(
            f"| {row['recipe']} | {ours['all_s']} ({', '.join(phases)}) | {' | '.join(told)} "
            f"| {row['new_tokens_per_s']:,} | {row['peak_MiB']:,} |"
        )
    return "\n".join(lines)


def tables(found: dict[str, Any]) -> str:
    """All figures for people."""
    scaled = [row for row in found["scale"] if "failed" not in row]
    rest = [*found["generation_memory"], *found["chat_step"]]
    rest += [row for row in found["scale"] if "failed" in row]
    parts = [
        f"{found['date']}, {found['machine']}, load {found['load']}, {found['seconds']} s in all",
        step_table(found["step"]),
        scale.table(scaled),
        "\n".join(json.dumps(row) for row in rest),
    ]
    return "\n\n".join(parts)


def main(words: list[str] | None = None) -> int:
    """Measures, writes and prints; 1 where a bench failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    options = parser.parse_args(words)
    found = measure()
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    print(tables(found))
    parts = ("step", "scale", "generation_memory", "chat_step")
    failed = sum("failed" in row for part in parts for row in found[part])
    if failed:
        print(f"not measured: {failed}; the lines above say why", file=sys.stderr)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
