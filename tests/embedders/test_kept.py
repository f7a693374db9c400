"""Vectors that stay on the disk: the same numbers, computed once, told apart by model, without the texts."""

import numpy as np
import pytest

from memfactory_core.embedders import sentence_transformer
from memfactory_core.embedders.sentence_transformer import SentenceTransformer
from memfactory_core.errors import ConfigError
from tests.models.packages import write_bert

TEXTS = ["the puppy", "weather", "the weather the puppy melanie", "the puppy"]


@pytest.fixture
def bert(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMFACTORY_MODELS", str(tmp_path / "models"))
    return write_bert(tmp_path / "bert")


@pytest.fixture
def computed(monkeypatch):
    """What passes through a model, in order."""
    passed, load = [], sentence_transformer._load

    def watched(folder):
        encode = load(folder)
        return lambda texts: passed.extend(texts) or encode(texts)

    monkeypatch.setattr(sentence_transformer, "_load", watched)
    return passed


def kept_files(tmp_path):
    return list((tmp_path / "models" / "vectors").glob("*.sqlite"))


def test_a_text_is_computed_once_whatever_run_asks(bert, computed, tmp_path):
    plain = SentenceTransformer(model=str(bert)).embed(TEXTS)
    assert not kept_files(tmp_path), "nothing is kept unless it is wanted"
    computed.clear()
    first = SentenceTransformer(model=str(bert), keep=True).embed(TEXTS)
    assert sorted(computed) == sorted(set(TEXTS))
    again = SentenceTransformer(model=str(bert), keep=True, batch_size=1).embed([*TEXTS, "melanie"])
    assert computed[3:] == ["melanie"]
    assert np.array_equal(again[:4], first) and first == pytest.approx(plain, abs=1e-6)
    assert first.dtype == np.float32 and first.shape == (4, 16)


def test_prompts_and_models_are_told_apart(bert, computed, tmp_path):
    for embedder in (
        SentenceTransformer(model=str(bert), keep=True),
        SentenceTransformer(model=str(bert), keep=True, prompt="the "),
        SentenceTransformer(model=str(write_bert(tmp_path / "other" / "bert")), keep=True),
    ):
        embedder.embed(["puppy"])
    assert computed == ["puppy", "the puppy", "puppy"]
    (bert / "config.json").write_text((bert / "config.json").read_text() + " ")
    SentenceTransformer(model=str(bert), keep=True).embed(["puppy"])
    assert len(computed) == 4, "a model that was changed in its place is another one"


def test_the_file_holds_no_text_and_a_broken_one_is_named(bert, tmp_path):
    embedder = SentenceTransformer(model=str(bert), keep=True)
    embedder.embed(["melanie and the puppy"])
    [path] = kept_files(tmp_path)
    assert b"melanie" not in path.read_bytes()
    path.write_bytes(b"no database" * 100)
    with pytest.raises(ConfigError, match=r"cannot keep vectors in .*sqlite: .*delete the file"):
        embedder.embed(["weather"])
