"""A model behind an OpenAI-compatible endpoint, for inference."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import Field

from memfactory_core.component import Part
from memfactory_core.dialects import Dialect
from memfactory_core.dialects.chat import Chat
from memfactory_core.dialects.thinking import set_apart
from memfactory_core.endpoint import ChatEndpoint
from memfactory_core.endpoint.address import EndpointAddress
from memfactory_core.endpoint.keys import VARIABLE
from memfactory_core.episode import Ask, Sampler
from memfactory_core.policies import Policy
from memfactory_core.types import Completion


class ApiSampler(Sampler):
    """Sends each ask as one chat completion, `parallel` at a time. It cannot be seeded: two evaluations at a
    temperature differ."""

    def __init__(self, endpoint: ChatEndpoint, parallel: int, dialect: Dialect) -> None:
        self.endpoint = endpoint
        self.dialect = dialect
        self.parallel = parallel

    def dialect_of(self, role: str) -> Dialect:
        """The policy's dialect, whatever the role."""
        return self.dialect

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        """One completion for each ask. PolicyError where the endpoint does not answer as it should."""

        def complete_one(ask: Ask) -> Completion:
            said = set_apart(self.endpoint.chat(ask.messages, ask.max_tokens, temperature))
            if not ask.stop or ask.stop not in said.text:
                return said
            text = (said.text.partition(ask.stop)[0] + ask.stop).rstrip()
            return said.model_copy(update={"text": text, "finish_reason": "stop"})

        with ThreadPoolExecutor(self.parallel) as pool:
            return list(pool.map(complete_one, asks))


class Api(Policy, kind="api"):
    """A model behind an OpenAI-compatible endpoint; answers, but cannot be trained here."""

    dialect: Part[Dialect] = Chat()
    """How it is spoken to and read."""
    url: EndpointAddress = "http://127.0.0.1:8000/v1"
    """The endpoint's address up to /v1."""
    model: str = Field("default", min_length=1)
    """The model's name as the endpoint knows it."""
    key_variable: str = Field("OPENAI_API_KEY", pattern=rf"^({VARIABLE})?$")
    """The environment variable that holds the key, empty for none; the key itself is never stored, and
    MEMFACTORY_KEY_HOSTS says to which hosts it may go."""
    parallel: int = Field(4, ge=1, le=256)
    """How many requests are under way at once."""
    timeout: float = Field(120, gt=0, le=3600)
    """Seconds to wait for one answer."""

    def load(self, weights: Path | None = None) -> ApiSampler:
        """The endpoint, ready to be asked; nothing is sent yet. PolicyError where the variable is not
        declared as a key."""
        endpoint = ChatEndpoint(self.url, self.model, self.key_variable, self.timeout)
        return ApiSampler(endpoint, self.parallel, self.dialect)
