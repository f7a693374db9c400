"""What the command line prints of runs: tables for people, plain values for `--json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Engine

from memfactory_core.config import build
from memfactory_core.errors import ConfigError, RunError
from memfactory_core.explain.stages import tell_stretches
from memfactory_core.policies.roles import START
from memfactory_core.rewards.shown import Shown
from memfactory_core.runs import database, record
from memfactory_core.runs.bundle import ImitationRecord, JudgeRecord, Measured
from memfactory_core.runs.diagnosis import diagnose_run
from memfactory_core.runs.tables import Run
from memfactory_core.scoring.evaluate import DECODINGS, SAMPLED_AT
from memfactory_core.text import one_line


def report(run: Run) -> dict[str, Any]:
    """What `--json` prints of a run."""
    kept = _record(run)
    return {
        "id": run.id, "name": run.name, "state": run.state, "reason": run.reason,
        "seconds": run.elapsed(database.now()), "step": run.step,
        "scores": run.summary, "files": kept.get("files", {}), "versions": kept.get("versions", {}),
        "judge": kept.get("judge"), "imitation": kept.get("imitation"), "sampling": sampling(run),
        "measured": kept.get("measured"),
        "config": run.settings,
    }  # fmt: skip


def sampling(run: Run) -> dict[str, float] | None:
    """How the policy drew in avg@k: {"temperature", "min_p"}; None where nothing is drawn, as by programs and
    retrievers, or where this version does not know the policy."""
    if run.mode not in ("train", "imitate", "evaluate"):
        return None
    try:
        return build(run.settings, f"run {run.id}").policy.sampling(SAMPLED_AT) or None
    except ConfigError:
        return None


def setting_lines(run: Run) -> list[str]:
    """What else decides a table's scores: the sampling, who answered for roles with a policy of their own, and the
    stages of a training."""
    drawn, lines = sampling(run), []
    if drawn:
        cut = f", min-p {drawn['min_p']:g}" if "min_p" in drawn else ""
        lines.append(f"sampling: T {drawn['temperature']:g}{cut}")
    for role, policy in run.settings.get("roles", {}).items():
        who = "a frozen copy of the starting weights" if policy == START else policy["kind"]
        lines.append(f"role {role}: {who}")
    if run.mode == "train" and (told := tell_stretches(run.settings.get("training", {}))):
        lines.append(told)
    return lines


def evaluations(run: Run) -> dict[str, str]:
    """What each evaluation of a run is called in tables, in their order; those of a run that imitates by what the
    policy had learned by then."""
    summary = run.summary
    if run.mode == "imitate":
        return {"before": "Untrained", "after": "Imitated"}
    if "untrained" in summary:
        return {"untrained": "Untrained", "before": "Imitated", "after": "Trained"}
    return {"before": "Before", "after": "After" if "before" in summary else "Result"}


def gate_lines(run: Run) -> list[str]:
    """What the gate after imitation found; [] where there was none."""
    kept = _record(run).get("imitation")
    return [kept["line"]] if kept else []


def judge_lines(run: Run) -> list[str]:
    """Who judged, and for each evaluation how many answers are not in the judge's score and why; [] where
    there was no judge."""
    kept = _record(run).get("judge")
    if not kept:
        return []
    lines = [f"judge: {kept['model']} at {kept['host']}"]
    for when in ("untrained", "before", "after"):
        account = kept.get(when)
        if account and account["dropped"]:
            reasons = "; ".join(f"{count} x {why}" for why, count in account["reasons"].items())
            lines.append(
                f"judge, {when}: {account['dropped']} of {account['answers']} answers have no verdict and are "
                f"left out of its score ({reasons})"
            )
    return lines


def measured_lines(run: Run) -> list[str]:
    """What a run was measured on, and what its intervals are about; [] before its evaluation."""
    kept = _record(run).get("measured")
    if not kept:
        return []
    files = ", ".join(kept["files"]) or "generated"
    asked = kept["questions"]
    lines = [
        f"measured on: {kept['task']}, {files} ({kept['split']}): {kept['examples']} examples, {asked} questions "
        f"about {kept['texts']} texts"
    ]
    if missing := kept["missing_evidence"]:
        lines.append(
            f"evidence: left out, since the file names them and states them nowhere: needed facts, {missing}"
        )
    told = (
        "intervals: 95%, bootstrap over whole texts, since questions about one text are not independent; "
        "n=N/T is N values about T texts"
    )
    if kept["texts"] == 1:
        told = "intervals: none, all questions are about one text, which tells nothing about others"
    return [*lines, told]


def diagnose(engine: Engine, run: Run) -> dict[str, Any]:
    """What `--json` prints of a run's diagnosis: the phase it is about and each sentence with its setting."""
    phase, found = diagnose_run(engine, run)
    shown = {"kind", "sentence", "setting"}
    return {"phase": phase, "found": [one.model_dump(include=shown) for one in found]}


def print_diagnosis(diagnosis: Mapping[str, Any]) -> None:
    """What stood in the way of better answers, a sentence a line; nothing where nothing is worth saying."""
    for one in diagnosis["found"]:
        print(one_line(f"diagnosis ({diagnosis['phase']}): {one['sentence']}"))


def print_decisions(phase: str, counts: dict[str, dict[str, int]]) -> None:
    """What was right (rows) against what was done (columns), in shares of each row."""
    done = list(next(iter(counts.values())))
    print(f"\n{phase:16}" + "".join(f"{name.upper():>9}" for name in done) + f"{'messages':>11}")
    for right, row in counts.items():
        total = sum(row.values())
        shares = "".join(f"{row[name] / total:9.2f}" for name in done)
        print(f"{right.upper():16}{shares}{total:11}")


def _record(run: Run) -> dict[str, Any]:
    """What the run's folder tells of it; without the parts that are not of their shape."""
    try:
        kept = record.read(Path(run.folder))
    except RunError:  # a table can be printed without the versions
        return {}
    shapes: dict[str, TypeAdapter[Any]] = {
        "judge": TypeAdapter(JudgeRecord | None), "measured": TypeAdapter(Measured | None),
        "imitation": TypeAdapter(ImitationRecord | None),
    }  # fmt: skip
    for name, shape in shapes.items():
        try:
            shape.validate_python(kept.get(name))
        except ValidationError:
            del kept[name]
    names = (*shapes, "files", "versions")
    return {name: kept[name] for name in names if name in kept}


def sweep_line(row: dict[str, Any]) -> str:
    """One cell of a sweep in one line."""
    label = "  ".join(row["settings"])
    if row["refused"]:
        return f"{label}  refused: {row['refused']}"
    scores = row["scores"].get("after", {})
    names = columns({"after": scores}, "greedy", row["config"]["reward"])
    shown = [f"{n} {_cell(scores[f'greedy/{n}'])}" for n in names]
    found = ((path, *path.split("/")) for path in scores if path.count("/") == 2)
    shown += [
        f"{retriever} {score} {_cell(scores[path])}"
        for path, retriever, category, score in found
        if category == "all" and score.startswith("recall")
    ]
    judge = row.get("judge")
    named = f"  judged by {judge['model']} at {judge['host']}" if judge else ""
    return f"{label}  {row['state']}  " + "  ".join(shown) + named


def columns(
    summary: Mapping[str, Mapping[str, Any]], mode: str, table: Mapping[str, Any]
) -> list[str]:
    """The scores of a mode that a table shows, those that belong to the short table, the reward last."""
    paths = {path for scores in summary.values() for path in scores if path.count("/") == 1}
    names = [path.split("/")[1] for path in paths if path.startswith(f"{mode}/")]
    short = Shown(table).short(name for name in names if name != "reward")
    return [*short, *(["reward"] if "reward" in names else [])]


def print_table(run: Run) -> None:
    """A run's scores before and after, with intervals."""
    seconds, seed = run.elapsed(database.now()), run.settings.get("seed", "unknown")
    print("\n" + one_line(f"{run.name}  [{run.id}]  {run.state}, {seconds:.0f} s, seed {seed}"))
    if run.fault:
        print(run.fault)
    summary = run.summary
    rows = [
        (mode, name)
        for mode in DECODINGS
        for name in columns(summary, mode, run.settings.get("reward", {}))
    ]
    if not rows:
        _print_retrieval(summary)
        _print_lines(measured_lines(run))
        return
    titles = evaluations(run)
    whens = [when for when in titles if when in summary]
    named = [
        titles[when].lower() if len(titles) > 2 or run.mode == "imitate" else when for when in whens
    ]
    print(f"{'':26}" + "".join(f"{title:>34}" for title in named))
    evaluation = run.settings.get("evaluation")
    samples = evaluation.get("samples", "k") if isinstance(evaluation, dict) else "k"
    for mode, name in rows:
        label = f"{name} " + (f"avg@{samples}" if mode == "sampled" else mode)
        cells = [_cell(summary[when].get(f"{mode}/{name}")) for when in whens]
        print(f"{one_line(label):26}" + "".join(f"{cell:>34}" for cell in cells))
    for name, category in by_category(summary):
        cells = [_cell(summary[when].get(f"greedy/{name}/{category}")) for when in whens]
        print(f"{one_line(f'{name} of {category}'):26}" + "".join(f"{cell:>34}" for cell in cells))
    _print_lines([*setting_lines(run), *gate_lines(run), *judge_lines(run), *measured_lines(run)])


def _print_lines(lines: list[str]) -> None:
    for line in lines:
        print(one_line(line))


def by_category(summary: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    """(score, category) of the greedy answers that an evaluation told apart by category, sorted."""
    found = {path for scores in summary.values() for path in scores if path.count("/") == 2}
    split = [path.split("/", 2) for path in found]
    return sorted((name, category) for mode, name, category in split if mode == "greedy")


def _print_retrieval(summary: dict[str, dict[str, dict[str, float]]]) -> None:
    """The tables of the modes `retrieve` and `rerank`: a row for each retriever and category."""
    for when, scores in summary.items():
        rows: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
        for path, values in scores.items():
            if path.count("/") != 2:
                continue
            retriever, category, name = map(one_line, path.split("/"))
            rows.setdefault((retriever, category), {})[name] = values
        kept = {name: None for row in rows.values() for name in row}
        names = [name for name in kept if name.startswith("recall")]
        width = max([15, *(len(retriever) for retriever, _ in rows)]) + 1
        print(f"{when:{width}}{'category':10}" + "".join(f"{name:>32}" for name in names))
        for (retriever, category), row in rows.items():
            print(
                f"{retriever:{width}}{category:10}"
                + "".join(f"{_cell(row.get(n)):>32}" for n in names)
            )


def _cell(values: dict[str, float] | None) -> str:
    if not values:
        return "-"
    return f"{values['mean']:.3f} {bounds(values)} n={values['n']}{about(values)}"


def bounds(values: dict[str, Any], form: str = ".3f") -> str:
    """An interval in brackets, or that there is none."""
    if values["low"] is None:
        return "[no interval]"
    return f"[{values['low']:{form}}, {values['high']:{form}}]"


def about(values: dict[str, Any]) -> str:
    """`/T` where n values are about fewer texts T."""
    texts = values.get("clusters", values["n"])
    return f"/{texts}" if texts < values["n"] else ""
