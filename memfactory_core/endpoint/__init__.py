"""A chat model behind an OpenAI-compatible endpoint: vLLM, llama.cpp, Ollama or a hosted one. Policies and judges
ask through it; which variable holds the key is a setting, the key itself is never stored.

Redirects are not followed: they would take the key and the question to another host."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from memfactory_core.endpoint.keys import explain_missing, read_key
from memfactory_core.errors import PolicyError
from memfactory_core.types import Completion, Message

ODD = (ValueError, KeyError, IndexError, TypeError, AttributeError, StopIteration, RecursionError)
"""What reading an answer raises that is not of the protocol's form."""
CUT_OFF = ("length", "max_tokens", "MAX_TOKENS")
THOUGHT_IN = ("thinking", "reasoning", "text", "summary", "content")
"""Where a part that was thought holds its text, or a list of parts."""
HIDDEN_FROM = 8
"""Characters from which on a key is taken out of replies; shorter ones occur in ordinary text."""


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """Makes an error of every redirect."""

    def redirect_request(self, *_: object) -> None:
        """None: nothing is asked elsewhere."""


@dataclass(frozen=True)
class ChatEndpoint:
    """Where to ask, for which model, with the key of which environment variable; `timeout` in seconds."""

    url: str
    model: str
    key_variable: str
    timeout: float

    def __post_init__(self) -> None:
        """PolicyError where the variable is not one of a key."""
        read_key(self.key_variable, self.url)

    def chat(self, messages: Sequence[Message], max_tokens: int, temperature: float) -> Completion:
        """One completion, without token ids. PolicyError where the endpoint cannot be reached, answers with
        an error or not in the protocol."""
        url = f"{self.url.rstrip('/')}/chat/completions"
        body = {
            "model": self.model, "messages": list(messages),
            "max_tokens": max_tokens, "temperature": temperature,
        }  # fmt: skip
        headers = {"Content-Type": "application/json"}
        if key := read_key(self.key_variable, self.url):
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        opener = urllib.request.build_opener(NoRedirects)
        if key and url.startswith("http://"):
            # a proxy of the environment would read the key of an unencrypted request
            opener = urllib.request.build_opener(NoRedirects, urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=self.timeout) as reply:
                completion = read_reply(json.load(reply))
        except urllib.error.HTTPError as error:
            # cut after the key is taken out, not through it
            said = _without_key(_read_body(error), key)[:300]
            if 300 <= error.code < 400:
                said = "a redirect, which is not followed; set the address that it leads to"
            elif error.code in (401, 403) and not key:
                said = f"{said} ({explain_missing(self.key_variable, self.url)})"
            raise PolicyError(f"{url} answered {error.code}: {said}") from error
        except (OSError, http.client.HTTPException, *ODD) as error:
            said = f"{url} did not answer as a chat endpoint: {error!r}"
            raise PolicyError(_without_key(said, key)) from error
        return completion.model_copy(
            update={
                "text": _without_key(completion.text, key),
                "thinking": _without_key(completion.thinking, key),
            }
        )


def _read_body(error: urllib.error.HTTPError) -> str:
    """What came with a status that is an error; it may break off like any other reply."""
    try:
        return error.read(100_000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as broken:
        return f"({broken!r})"


def _without_key(text: str, key: str) -> str:
    """What an endpoint said; one that repeats the key would put it into records and pages."""
    return text.replace(key, "***") if len(key) >= HIDDEN_FROM else text


def read_reply(reply: dict[str, Any]) -> Completion:
    """The completion of a reply in the protocol: content as a text or a list of parts, thinking in a field of its
    own under either of its names, a refusal where there is no content. One of ODD where it is none of these."""
    choice = reply["choices"][0]
    message = choice["message"]
    content = message["content"] if "content" in message else message["refusal"]
    said, thought = _read_content(content)
    for field in ("reasoning_content", "reasoning"):
        if isinstance(message.get(field), str) and message[field].strip() not in thought:
            thought.append(message[field].strip())
    text = "".join(said).strip() or (message.get("refusal") or "").strip()
    counted = (reply.get("usage") or {}).get("completion_tokens")
    return Completion(
        text=text,
        thinking="\n".join(thought),
        tokens=counted if isinstance(counted, int) else None,
        finish_reason="length" if choice.get("finish_reason") in CUT_OFF else "stop",
    )


def _read_content(content: Any) -> tuple[list[str], list[str]]:
    """What was said and what was thought; parts of other kinds, such as images, are neither."""
    if content is None:
        return [], []
    if isinstance(content, str):
        return [content], []
    said, thought = [], []
    for part in content:
        if isinstance(part, str):
            said.append(part)
        elif part.get("type") in ("text", "output_text"):
            said.append(part["text"])
        elif part.get("type") in ("thinking", "reasoning", "reasoning_content"):
            inner = next(part[name] for name in (*THOUGHT_IN, part["type"]) if part.get(name))
            thought.append(("".join(_read_content(inner)[0])).strip())
    return said, thought
