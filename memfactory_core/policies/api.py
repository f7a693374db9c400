"""A model behind an OpenAI-compatible endpoint, for inference: vLLM, llama.cpp, Ollama or a hosted one."""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import Field

from memfactory_core.episode import Ask
from memfactory_core.errors import PolicyError
from memfactory_core.policies import Policy
from memfactory_core.types import Completion, Message

ODD = (ValueError, KeyError, IndexError, TypeError, AttributeError)
"""What reading an answer raises that is not of the protocol's form."""


class ApiSampler:
    """Sends each ask as one chat completion, several at a time."""

    def __init__(self, settings: Api) -> None:
        self.settings = settings
        self.key = os.environ.get(settings.key_variable, "")

    def complete(self, asks: Sequence[Ask], temperature: float) -> list[Completion]:
        """One completion for each ask. PolicyError where the endpoint does not answer as it should."""
        with ThreadPoolExecutor(self.settings.parallel) as pool:
            return list(
                pool.map(lambda ask: self.chat(ask.messages, ask.max_tokens, temperature), asks)
            )

    def chat(self, messages: Sequence[Message], max_tokens: int, temperature: float) -> Completion:
        """One completion, without token ids. PolicyError where the endpoint cannot be reached, answers with
        an error or not in the protocol."""
        url = f"{self.settings.url.rstrip('/')}/chat/completions"
        body = {
            "model": self.settings.model, "messages": list(messages),
            "max_tokens": max_tokens, "temperature": temperature,
        }  # fmt: skip
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=self.settings.timeout) as reply:
                choice = json.load(reply)["choices"][0]
                text = (choice["message"]["content"] or "").strip()
        except urllib.error.HTTPError as error:
            said = error.read(300).decode(errors="replace")
            raise PolicyError(f"{url} answered {error.code}: {said}") from error
        except (OSError, http.client.HTTPException, *ODD) as error:
            raise PolicyError(f"{url} did not answer as a chat endpoint: {error!r}") from error
        reason = "length" if choice.get("finish_reason") == "length" else "stop"
        return Completion(text=text, finish_reason=reason)


class Api(Policy, kind="api"):
    """A model behind an OpenAI-compatible endpoint; answers, but cannot be trained here."""

    url: str = Field("http://127.0.0.1:8000/v1", pattern=r"^https?://")
    """The endpoint's address up to /v1."""
    model: str = Field("default", min_length=1)
    """The model's name as the endpoint knows it."""
    key_variable: str = "OPENAI_API_KEY"
    """The environment variable that holds the key; the key itself is never stored."""
    parallel: int = Field(4, ge=1, le=256)
    """How many requests are under way at once."""
    timeout: float = Field(120, gt=0, le=3600)
    """Seconds to wait for one answer."""

    def load(self, weights: Path | None = None) -> ApiSampler:
        """The endpoint, ready to be asked; nothing is sent yet."""
        return ApiSampler(self)
