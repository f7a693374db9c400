"""How sure a mean is: 95% percentile bootstrap intervals, and paired differences on what both sides attempted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def interval(values: Sequence[float], resamples: int = 2000, seed: int = 0) -> dict[str, float]:
    """Mean and 95% percentile bootstrap interval of values, one per example."""
    import numpy as np

    data = np.asarray(values, dtype=float)
    rng = np.random.default_rng(seed)
    means = np.array([data[rng.integers(0, len(data), len(data))].mean() for _ in range(resamples)])
    low, high = np.quantile(means, [0.025, 0.975])
    return {
        "mean": float(data.mean()), "low": float(low), "high": float(high), "n": len(data)
    }  # fmt: skip


def paired(
    first: Mapping[str, Mapping[str, float]], second: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """For two sides as {example: {score: value}}: each score's mean in both and the mean difference (second minus
    first) with its 95% interval over the n examples that both attempted; {} where there are none."""
    common = sorted(set(first) & set(second))
    names = dict.fromkeys(name for example in common for name in first[example])
    result = {}
    for name in names:
        pairs = [
            (first[e][name], second[e][name])
            for e in common
            if name in first[e] and name in second[e]
        ]
        if not pairs:
            continue
        difference = interval([b - a for a, b in pairs])
        result[name] = {
            "first": sum(a for a, _ in pairs) / len(pairs),
            "second": sum(b for _, b in pairs) / len(pairs),
            "difference": difference["mean"], "low": difference["low"], "high": difference["high"],
            "n": len(pairs),
        }  # fmt: skip
    return result
