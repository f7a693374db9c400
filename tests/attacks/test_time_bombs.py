"""Input that costs more than it is long, or that Python's own readers break on: one line each, in linear time."""

import json
import random
import sys
import time

import pytest

from memfactory_core import config
from memfactory_core.cli.main import main
from memfactory_core.errors import ConfigError
from memfactory_core.tasks.data_file import read_entries
from memfactory_core.tasks.factconsolidation import FactConsolidation
from memfactory_core.tasks.language import (
    is_small_talk,
    parse_fact,
    parse_question,
    parse_retraction,
)
from memfactory_core.tasks.locomo import _TURN_ID
from memfactory_core.tasks.sections import cut
from memfactory_core.tasks.sentences import split_sentences
from memfactory_core.text import one_line, parse_json
from tests.conftest import some

SIZE = 60_000
DEEP = 100_000
FILLERS = {
    "spaces": " ", "line ends": "\n", "points": ".", "marks": "!?", "abbreviations": "Dr. ",
    "initials": "J. ", "letters": "x", "words": "word ", "dotted": "a.b.c. ", "blank lines": "\n \n",
    "quotes": '."', "numbers": "1. ", "turn ids": "D ", "is": " is ", "gone": " is gone", "ids": "#",
    "turn": "D1:", "tabs": "\t", "backslashes": "\\", "brackets": "[",
}  # fmt: skip
SHELLS = (
    "{}",
    "The pet of Bako is {}x",
    "The pet of {} is",
    "What is the pet of {}",
    "D1{}x",
    "1. a{}b",
)
READERS = {
    "sections": lambda text: cut(text, 100),
    "large sections": lambda text: cut(text, 20_000),
    "sentences": split_sentences,
    "facts": parse_fact,
    "retractions": parse_retraction,
    "small talk": is_small_talk,
    "questions": parse_question,
    "turn ids": _TURN_ID.findall,
    "terminal": one_line,
}


def seconds(read, text):
    best = float("inf")
    for _ in range(2):  # the machine may be busy with something else
        began = time.process_time()
        read(text)
        best = min(best, time.process_time() - began)
    return best


@pytest.mark.parametrize("name", some(READERS))
def test_a_reader_costs_twice_as_much_for_twice_the_text(name):
    read = READERS[name]
    for filler in FILLERS.values():
        for shell in SHELLS:
            text, twice = (shell.format(filler * (n * SIZE // len(filler))) for n in (1, 2))
            once, both = seconds(read, text), seconds(read, twice)
            assert both < 3 * once + 0.05, f"{shell.format(filler)!r}: {once:.3f} s, {both:.3f} s"
            assert both < 3, f"{shell.format(filler)!r} takes {both:.1f} s"


def test_a_line_of_40_megabytes_is_cut_at_once():
    text = "word " * 8_000_000
    began = time.process_time()
    sections = cut(text, 20_000)
    assert time.process_time() - began < 3
    assert (len(sections), max(map(len, sections))) == (2000, 19_999)
    assert " ".join(sections) == text.strip()


def test_numbered_facts_are_read_in_one_pass(tmp_path):
    def read(count):
        path = tmp_path / f"{count}.json"
        context = "1. Paris is in France." + "\n" * count + "2. a" + " " * count + "b  \n"
        record = {"context": context, "questions": ["?"], "answers": ["x"]}
        path.write_text(json.dumps([record]))
        example = FactConsolidation(path=str(path), source="").examples(9, 0)[0]
        assert example.observations[0].startswith("1. Paris is in France.\n2. a ")
        assert example.observations[0].endswith(" b")

    once, both = (seconds(lambda _, n=n: read(n), "") for n in (SIZE, 2 * SIZE))
    assert both < 3 * once + 0.1


def deep_table(path):
    path.write_text("[" * DEEP if path.suffix == ".json" else "name = " + "[" * DEEP)


BAD_SETTINGS = {
    "nested deeply": (f"name={'[' * DEEP}", "name: "),
    "a path of many names": ("training" + ".a" * DEEP + "=1", "--set wants a.b=value"),
    "a list for a kind": ("policy.kind=[]", "a kind is a name"),
    "a table for a kind": ('policy.kind={"a": 1}', "a kind is a name"),
    "a number for a kind": ("policy.kind=7", "a kind is a name"),
    "null for a kind": ("policy.kind=null", "a kind is a name"),
    "a list of parts' kinds": ('retrieval.retrievers=[{"kind": {}}]', "a kind is a name"),
    "a seed of 33 bits": (f"seed={2**32}", "less than or equal to 4294967295"),
    "a seed of many digits": ("seed=" + "9" * 5000, "seed: "),
    "a negative seed": ("seed=-1", "greater than or equal to 0"),
    "a held-out seed of 33 bits": (f"evaluation.seed={2**40}", "less than or equal to"),
    "a policy's seed of 80 bits": (f"policy.seed={2**80}", "less than or equal to"),
    "a NaN weight": ('reward={"exact_match": NaN}', "reward"),
    "a NaN weight in words": ("reward.exact_match=nan", "finite number"),
    "an infinite weight": ("reward.exact_match=1e999", "finite number"),
    "a NaN of a part": ("policy.min_p=NaN", "policy"),
    "an infinite number of a part": ("training.learning_rate=Infinity", "learning_rate"),
    "half a surrogate pair": ("name=\udcff", "name: "),
    "half a surrogate pair in JSON": ('name="\\ud800"', None),
    "half a surrogate pair in a path": ("task.\udcff=1", "task"),
    "a control sequence": ("policy.kind=\x1b[2J", "no policies called"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_a_bad_setting_is_one_line(lab, monkeypatch, capsys, name):
    assignment, message = BAD_SETTINGS[name]
    if message is None:  # as JSON it is no text, so it is taken as it was typed
        assert config.load("memagent-tiny", [assignment]).name == '"\\ud800"'
        return
    monkeypatch.setattr(sys, "argv", ["memfactory", "train", "memagent-tiny", "--set", assignment])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2 and message in said, said
    assert said.count("\n") == 1 and said[:-1].isprintable() and len(said) < 3000


def test_the_largest_seed_is_one_that_every_generator_takes(lab):
    from transformers import set_seed

    set_seed(config.load("memagent-tiny", [f"seed={2**32 - 1}"]).seed)


BAD_RECIPES = {
    "deep.json": "[" * DEEP,
    "deep-table.json": '{"config":' * DEEP,
    "deep.toml": "name = " + "[" * DEEP,
    "deep-table.toml": "name = " + "{a = " * DEEP,
    "long-key.toml": "a" + ".a" * 20_000 + " = 1",
    "nan.toml": 'task = "dialogue"\nparadigm = "memagent"\npolicy = "tiny"\nreward = {f1 = nan}',
    "inf.toml": 'task = "dialogue"\nparadigm = "memagent"\npolicy = "tiny"\nreward = {f1 = inf}',
    "nan.json": '{"reward": {"f1": NaN}}',
    "half.json": '{"name": "\\ud800"}',
    "number.json": "7",
    "text.toml": "hello",
    "bytes.json": b"\xff\xfe",
    "date.toml": 'task = "dialogue"\nparadigm = "memagent"\npolicy = "tiny"\nname = 2020-01-01',
    "digits.json": '{"seed": ' + "9" * 10_000 + "}",
    "digits.toml": "seed = " + "9" * 10_000,
}


@pytest.mark.parametrize("name", BAD_RECIPES)
def test_a_bad_recipe_is_one_line(lab, tmp_path, monkeypatch, capsys, name):
    path = tmp_path / name
    content = BAD_RECIPES[name]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    monkeypatch.setattr(sys, "argv", ["memfactory", "train", str(path)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2 and name in said, said
    assert said.count("\n") == 1 and len(said) < 3000


BAD_FILES = {
    "deep.json": "[" * DEEP + "]" * DEEP,
    "deep.jsonl": '{"a":' * DEEP,
    "half.json": '[{"question": "\\ud800"}]',
    "half.jsonl": '{"question": "a"}\n{"question": "\\uDFFF"}',
    "digits.json": "[" + "9" * 10_000 + "]",
    "bytes.csv": b"a,b\n\xff,1\n",
    "nul.csv": b"a,b\n\0,1,2\n",
    "empty.parquet": b"",
    "text.parquet": b"PAR1 hello PAR1",
    "ends.parquet": b"PAR1" + b"\xff" * 64 + b"PAR1",
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_data_file_is_named_in_one_line(tmp_path, name):
    path = tmp_path / name
    content = BAD_FILES[name]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as refused:
        read_entries(str(path))
    said = str(refused.value)
    assert name in said and "\n" not in said and len(said) < 600


def test_whole_pairs_and_missing_numbers_are_read(tmp_path):
    path = tmp_path / "good.json"
    path.write_text('[{"question": "\\ud83d\\ude00", "n": NaN}]')
    assert read_entries(str(path))[0].text("question") == "😀"


def test_a_parquet_file_with_a_changed_byte_is_read_or_refused(tmp_path):
    import pyarrow
    from pyarrow import parquet

    path = tmp_path / "a.parquet"
    table = pyarrow.table({"question": [f"who {n}?" for n in range(50)], "n": list(range(50))})
    parquet.write_table(table, path)
    whole, draw, refused = path.read_bytes(), random.Random(0), 0
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(content[: draw.choice([len(content), draw.randrange(len(content))])])
        try:
            read_entries(str(path))
        except ConfigError as error:
            assert "a.parquet" in str(error) and "\n" not in str(error)
            refused += 1
    assert refused > 100


@pytest.mark.parametrize(
    "text", ["NaN", "[1, Infinity]", "-Infinity", "1e999", "1" * 30, '"\\ud800"']
)
def test_json_that_is_no_plain_value_is_refused(text):
    with pytest.raises(ValueError):
        parse_json(text)
    assert parse_json('{"a": [1, 2.5, "\\ud83d\\ude00", null]}') == {"a": [1, 2.5, "😀", None]}


def test_what_would_steer_the_terminal_is_shown_as_its_code():
    assert one_line("a\x1b[2J\r\nb\u202e\udcffc\x9b") == "a\\x1b[2J b\\u202e\\udcffc\\x9b"
    assert one_line("größer 北京 😀") == "größer 北京 😀"


def test_weights_that_are_no_numbers_end_the_run_in_one_line(lab, tmp_path):
    import shutil

    import torch
    from safetensors.torch import load_file, save_file

    from memfactory_core.runs import jobs
    from memfactory_core.runs.worker import work
    from memfactory_core.tiny import WEIGHTS

    folder = shutil.copytree(WEIGHTS, tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    first = sorted(tensors)[0]
    tensors[first] = torch.full_like(tensors[first], float("nan"))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    settings = ["mode=evaluate", "policy.kind=hf", f"policy.model={folder}", "policy.dtype=float32"]
    run = work(lab, jobs.create(lab, config.load("memagent-tiny", settings)).id)
    assert run.state == "failed" and "holds NaN or infinity" in run.reason
