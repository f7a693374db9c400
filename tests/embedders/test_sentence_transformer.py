"""Vectors by meaning: the usual form of a sentence-transformers model without that package, other forms with it."""

import json
import sys

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from memfactory_core.embedders.sentence_transformer import SentenceTransformer
from memfactory_core.errors import ConfigError
from tests.models.packages import write_bert

TEXTS = ["the puppy", "weather", "the weather the puppy melanie", "the puppy"]
MODULES = ["Transformer", "Pooling", "Normalize"]


@pytest.fixture
def bert(tmp_path):
    return write_bert(tmp_path / "bert")


def lay_out(folder, modules, pooling):
    listed = [
        {"idx": i, "name": str(i), "path": f"{i}_{kind}" if i else "", "type": f"s.models.{kind}"}
        for i, kind in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))


def states(folder, text):
    """The token vectors of one text, without batches or padding."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    with torch.no_grad():
        return model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].numpy()


def unit(vector):
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize(
    ("pooling", "pool"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, lambda s: s.mean(0)),
        ({"pooling_mode_cls_token": True, "word_embedding_dimension": 16}, lambda s: s[0]),
        ({"pooling_mode": "cls", "embedding_dimension": 16}, lambda s: s[0]),
        (None, lambda s: s.mean(0)),
    ],
)
def test_vectors_are_those_of_each_text_alone(bert, pooling, pool):
    if pooling:
        lay_out(bert, MODULES, pooling)
    vectors = SentenceTransformer(model=str(bert), batch_size=3).embed(TEXTS)
    assert vectors.shape == (4, 16) and vectors.dtype == np.float32
    for vector, text in zip(vectors, TEXTS, strict=True):
        assert vector == pytest.approx(unit(pool(states(bert, text))), abs=1e-5)
    assert vectors[0] != pytest.approx(vectors[1], abs=1e-3)


def test_the_prompt_goes_before_each_text_and_long_texts_are_cut(bert):
    (bert / "sentence_bert_config.json").write_text('{"max_seq_length": 4}')
    embedder = SentenceTransformer(model=str(bert), prompt="the ")
    given, cut = embedder.embed(["puppy", "puppy weather melanie"])
    assert given == pytest.approx(unit(states(bert, "the puppy").mean(0)), abs=1e-5)
    assert cut == pytest.approx(given, abs=1e-5)


@pytest.mark.parametrize(
    ("modules", "pooling"),
    [
        ([*MODULES, "Dense"], {"pooling_mode_mean_tokens": True}),
        (MODULES, {"pooling_mode_max_tokens": True}),
        (MODULES, {"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}),
    ],
)
def test_another_form_needs_the_package_and_says_so(bert, modules, pooling, monkeypatch):
    lay_out(bert, modules, pooling)
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ConfigError, match=r"unusual form .*memfactory-lab\[embeddings\]"):
        SentenceTransformer(model=str(bert)).embed(["text"])


def test_what_cannot_be_loaded_is_named(bert):
    (bert / "config.json").write_text("{")
    with pytest.raises(ConfigError, match="cannot load the embedding model '.*bert'"):
        SentenceTransformer(model=str(bert)).embed(["x"])


@pytest.mark.models
def test_minilm_knows_meaning(fetched):
    asked, near, far = SentenceTransformer(model=fetched("minilm")).embed(
        ["Who has a dog?", "Anna's puppy sleeps a lot.", "The train was late."]
    )
    assert len(asked) == 384 and asked @ near > 0.3 > asked @ far
