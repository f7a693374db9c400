"""Pieces of a batch: the same rows, sorted by length, without needless padding."""

from __future__ import annotations

import random

import pytest

torch = pytest.importorskip("torch")

from memfactory_core.training.rows import by_beginning, by_length, to_tensors  # noqa: E402
from memfactory_core.types import Completion, Turn  # noqa: E402


def batch(count: int, pieces: int) -> list[dict]:
    rng = random.Random(0)
    rows = []
    for number in range(count):
        prompt = [rng.randint(5, 90) for _ in range(rng.randint(1, 60))]
        said = [rng.randint(5, 90) for _ in range(rng.randint(1, 30))]
        completion = Completion(text="", prompt_ids=prompt, completion_ids=said)
        turn = Turn(role="manage", messages=[], completion=completion, trainable=True)
        rows.append((turn, float(number)))
    whole = to_tensors(rows, count, 0)
    whole["old_per_token_logps"] = -whole["completion_ids"].float()
    size = count // pieces
    cut = [{n: v[i * size : (i + 1) * size] for n, v in whole.items()} for i in range(pieces)]
    return [piece | {"num_items_in_batch": torch.tensor(7)} for piece in cut]


def read(pieces: list[dict]) -> dict[float, tuple]:
    """What each row says, found by its advantage."""
    rows = {}
    for piece in pieces:
        for i, advantage in enumerate(piece["advantages"].tolist()):
            asked, said = piece["prompt_mask"][i].bool(), piece["completion_mask"][i].bool()
            rows[advantage] = (
                piece["prompt_ids"][i][asked].tolist(), piece["completion_ids"][i][said].tolist(),
                piece["old_per_token_logps"][i][said].tolist(),
            )  # fmt: skip
    return rows


def test_no_row_is_lost_or_changed():
    before = batch(24, 4)
    after = by_length(before)
    assert read(after) == read(before)
    assert [len(piece["advantages"]) for piece in after] == [6] * 4
    assert all(piece["num_items_in_batch"] == 7 for piece in after)


def test_each_piece_is_as_wide_as_its_own_longest_row():
    after = by_length(batch(24, 4))
    lengths = []
    for piece in after:
        for name in ("prompt", "completion"):
            assert piece[f"{name}_mask"].sum(0).min() >= 1, "a column of padding alone"
        lengths.append((piece["prompt_mask"].sum(1) + piece["completion_mask"].sum(1)).tolist())
    flat = [length for piece in lengths for length in piece]
    assert flat == sorted(flat)


def test_rows_that_say_nothing_leave_one_column():
    pieces = batch(4, 2)
    for piece in pieces:
        piece["completion_mask"].zero_()
    assert all(piece["completion_ids"].shape[1] == 1 for piece in by_length(pieces))


def grouped(prompts: list[list[int]], pieces: int) -> list[dict]:
    rows = []
    for number, prompt in enumerate(prompts):
        completion = Completion(text="", prompt_ids=prompt, completion_ids=[number + 5, 3])
        turn = Turn(role="update", messages=[], completion=completion, trainable=True)
        rows.append((turn, float(number)))
    whole = to_tensors(rows, len(prompts), 0)
    whole["old_per_token_logps"] = -whole["completion_ids"].float()
    return [{n: v[i::pieces] for n, v in whole.items()} for i in range(pieces)]


def test_rows_with_one_beginning_are_in_one_piece_and_pieces_have_as_many_new_tokens():
    long = [[40 + place] * 60 for place in range(4)]
    prompts = [long[i % 4] for i in range(16)] + [[90 + i] * 7 for i in range(8)]
    before = grouped(prompts, 4)
    after = by_beginning(before)
    assert read(after) == read(before)
    found = [{tuple(ids) for ids, *_ in read([piece]).values()} for piece in after]
    for prompt in map(tuple, long):
        assert sum(prompt in piece for piece in found) == 1
    said = [int(piece["completion_mask"].sum()) for piece in after]
    new = [sum(map(len, piece)) + count for piece, count in zip(found, said, strict=True)]
    assert max(new) <= 2 * min(new)


@pytest.mark.parametrize("count, pieces", [(4, 4), (24, 4), (12, 3)])
def test_no_row_is_lost_where_beginnings_come_together(count, pieces):
    before = batch(count, pieces)
    after = by_beginning(before)
    assert read(after) == read(before) and len(after) == pieces
    assert min(len(piece["advantages"]) for piece in after) >= 1
    assert all(piece["num_items_in_batch"] == 7 for piece in after)
