"""A chat model behind an OpenAI-compatible endpoint: vLLM, llama.cpp, Ollama or a hosted one. Policies and judges
ask through it; which variable holds the key is a setting, the key itself is never stored."""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass

from memfactory_core.errors import PolicyError
from memfactory_core.types import Completion, Message

ODD = (ValueError, KeyError, IndexError, TypeError, AttributeError)
"""What reading an answer raises that is not of the protocol's form."""


@dataclass(frozen=True)
class ChatEndpoint:
    """Where to ask, for which model, with the key of which environment variable; `timeout` in seconds."""

    url: str
    model: str
    key_variable: str
    timeout: float

    def chat(self, messages: Sequence[Message], max_tokens: int, temperature: float) -> Completion:
        """One completion, without token ids. PolicyError where the endpoint cannot be reached, answers with
        an error or not in the protocol."""
        url = f"{self.url.rstrip('/')}/chat/completions"
        body = {
            "model": self.model, "messages": list(messages),
            "max_tokens": max_tokens, "temperature": temperature,
        }  # fmt: skip
        headers = {"Content-Type": "application/json"}
        if key := os.environ.get(self.key_variable, ""):
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as reply:
                choice = json.load(reply)["choices"][0]
                text = (choice["message"]["content"] or "").strip()
        except urllib.error.HTTPError as error:
            said = error.read(300).decode(errors="replace")
            raise PolicyError(f"{url} answered {error.code}: {said}") from error
        except (OSError, http.client.HTTPException, *ODD) as error:
            raise PolicyError(f"{url} did not answer as a chat endpoint: {error!r}") from error
        reason = "length" if choice.get("finish_reason") == "length" else "stop"
        return Completion(text=text, finish_reason=reason)
