"""How sure a mean is: 95% percentile bootstrap intervals, and paired differences on what both sides attempted.

Values of one text (a conversation, a document, one memory asked several questions) go up and down together, so
whole texts are drawn, never single values of them: a cluster bootstrap. One text alone tells nothing about
others: there is then a mean and no interval."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

Interval = dict[str, Any]
"""{"mean", "low", "high", "n", "clusters"}: n counts values, clusters the texts they belong to; `low` and `high`
are None where there is one cluster."""
AT_ONCE = 250_000
"""Drawn texts that are held in memory at a time."""


def interval(
    values: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Mean of the values and its 95% percentile bootstrap interval over their clusters; without clusters each
    value is one of its own."""
    import numpy as np

    data = np.asarray(values, dtype=float)
    places = {key: number for number, key in enumerate(dict.fromkeys(clusters or ()))}
    if clusters is None:
        belongs = np.arange(len(data))
    else:
        belongs = np.array([places[key] for key in clusters])
    sums, counts = np.bincount(belongs, data), np.bincount(belongs)
    size = len(sums)
    mean: Interval = {"mean": float(data.mean()), "low": None, "high": None}
    if size > 1:
        rng = np.random.default_rng(seed)
        means = np.empty(resamples)
        # many draws at once, as many as fit a few megabytes: one after the other costs ten times as much
        rows = max(1, AT_ONCE // size)
        for start in range(0, resamples, rows):
            drawn = rng.integers(0, size, (min(rows, resamples - start), size))
            # a text with more questions weighs more in every draw, as it does in the mean
            means[start : start + rows] = sums[drawn].sum(1) / counts[drawn].sum(1)
        low, high = np.quantile(means, [0.025, 0.975])
        mean |= {"low": float(low), "high": float(high)}
    return mean | {"n": len(data), "clusters": size}


def paired(
    first: Mapping[str, Mapping[str, float]],
    second: Mapping[str, Mapping[str, float]],
    texts: Mapping[str, str] | None = None,
) -> dict[str, dict[str, Any]]:
    """For two sides as {example: {score: value}}: each score's mean in both and the mean difference (second minus
    first) with its 95% interval over the n examples that both attempted; {} where there are none. `texts` says
    which text each example reads: whole texts are drawn."""
    common = sorted(set(first) & set(second))
    names = dict.fromkeys(name for example in common for name in first[example])
    result = {}
    for name in names:
        shared = [e for e in common if name in first[e] and name in second[e]]
        if not shared:
            continue
        pairs = [(first[e][name], second[e][name]) for e in shared]
        clusters = [(texts or {}).get(e) or e for e in shared]
        difference = interval([b - a for a, b in pairs], clusters)
        result[name] = {
            "first": sum(a for a, _ in pairs) / len(pairs),
            "second": sum(b for _, b in pairs) / len(pairs),
            "difference": difference["mean"], "low": difference["low"], "high": difference["high"],
            "n": len(pairs), "clusters": difference["clusters"],
        }  # fmt: skip
    return result
