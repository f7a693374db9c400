"""Addresses in settings: a run's record, its log and its pages show them, so they hold no key."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

_HOST = re.compile(r"\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9_.-]{1,253}")
_TEXT = re.compile(r"[!-~]{1,2000}")
REASON = "holds a name or a key before @, which a run's record would show"


def has_credentials(text: str) -> bool:
    """Whether a text holds an address of the form scheme://user:key@host."""
    return any("@" in re.split(r"[/?#\s]", rest, maxsplit=1)[0] for rest in text.split("://")[1:])


def hide_credentials(text: str) -> str:
    """A text for an error message, whatever stands before an @ left out of each of its words."""
    words = re.split(r"(\s+)", text)
    return "".join(f"***@{word.rpartition('@')[2]}" if "@" in word else word for word in words)


def check_address(url: str) -> str:
    """The address of an endpoint: http or https, a plain host, no credentials, nothing after the path.
    ValueError says what is wrong without repeating it."""
    if "@" in url:
        raise ValueError(f"{REASON}; key_variable names the environment variable of the key")
    if not _TEXT.fullmatch(url) or any(sign in url for sign in "\\?#"):
        raise ValueError(
            "is no plain address: write http://host:port/v1, without spaces, \\, ? or #"
        )
    try:
        parts = urlsplit(url)
        host = re.sub(r":[0-9]{1,5}$", "", parts.netloc)
        plain = parts.scheme in ("http", "https") and _HOST.fullmatch(host) and parts.port != 0
    except ValueError:
        plain = False
    if not plain:
        raise ValueError(
            "is no address of an endpoint: write http://host:port/v1 or https://host/v1"
        )
    return url


EndpointAddress = Annotated[str, AfterValidator(check_address)]
"""A field that holds an endpoint's address."""


def find_credentials(values: object) -> str | None:
    """The path of a setting whose text holds credentials; None where there is none."""
    # a list of what is left instead of recursion: nested values may be deeper than the stack
    left: list[tuple[str, object]] = [("", values)]
    while left:
        path, value = left.pop()
        if isinstance(value, str) and has_credentials(value):
            return path or "settings"
        if isinstance(value, dict):
            left += [(path, key) for key in value]
            left += [(f"{path}.{key}" if path else str(key), item) for key, item in value.items()]
        elif isinstance(value, list | tuple):
            left += [(f"{path}.{number}", item) for number, item in enumerate(value)]
    return None
