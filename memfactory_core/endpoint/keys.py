"""Which key may go where. A recipe or an imported run can name any variable and any host; only what the user has
declared in the environment is read, and only for the hosts declared with it:

    MEMFACTORY_KEY_HOSTS="OPENAI_API_KEY=api.openai.com;JUDGE_KEY=judge.example:8443,http://10.0.0.5:8000"

A key travels by https; without encryption only on this machine, or where the host is declared with http://. What
is declared for a variable replaces its default.
"""

from __future__ import annotations

import ipaddress
import os
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from memfactory_core.errors import PolicyError

DECLARED = "MEMFACTORY_KEY_HOSTS"
DEFAULT = "OPENAI_API_KEY=api.openai.com,localhost"
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]{0,99}"
_HOST = re.compile(r"(http://|https://)?(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::([0-9]{1,5}))?/?")
_USUAL_PORT = {"http": 80, "https": 443}
_SENDABLE = re.compile(r"[!-~]+")


class KeyHost(NamedTuple):
    """A host that may get a key; `port` None means every port, `plain` that it may come unencrypted."""

    host: str
    port: int | None
    plain: bool

    def allows(self, url: str) -> bool:
        """Whether the key may go to this address. localhost stands for every name of this machine."""
        parts = urlsplit(url)
        host = (parts.hostname or "").removesuffix(".")
        here = is_loopback(host)
        same = host == self.host or (here and self.host == "localhost")
        port = parts.port or _USUAL_PORT.get(parts.scheme)
        return (
            same
            and self.port in (None, port)
            and (parts.scheme == "https" or here or self.plain)
        )  # fmt: skip


def declared_keys() -> dict[str, list[KeyHost]]:
    """The hosts of each declared variable. PolicyError where the declaration cannot be read."""
    declared = {}
    for text in (DEFAULT, os.environ.get(DECLARED, "")):
        for entry in filter(None, (part.strip() for part in text.split(";"))):
            variable, _, hosts = entry.partition("=")
            matches = [_HOST.fullmatch(host.strip().lower()) for host in hosts.split(",")]
            found = [match for match in matches if match]
            if not re.fullmatch(VARIABLE, variable.strip()) or len(found) < len(matches):
                # the entry is not repeated: somebody may have written a key into it
                raise PolicyError(
                    f"{DECLARED} cannot be read: write VARIABLE=host,host:port;VARIABLE2=host"
                )
            declared[variable.strip()] = [
                KeyHost(
                    one[2].strip("[]").removesuffix("."),
                    int(one[3]) if one[3] else None,
                    one[1] == "http://",
                )
                for one in found
            ]
    return declared


def read_key(variable: str, url: str) -> str:
    """The key for an address; "" where the variable is empty, or not declared for this host. PolicyError
    where the variable is not declared as a key: then it is not even looked at."""
    if not variable:
        return ""
    hosts = declared_keys().get(variable)
    if hosts is None:
        raise PolicyError(
            f"{variable} is not declared as a key and is not read: set "
            f"{DECLARED}='{variable}={_host_of(url)}' if that host may have it"
        )
    if not any(host.allows(url) for host in hosts):
        return ""
    key = os.environ.get(variable, "").strip()
    if key and not _SENDABLE.fullmatch(key):
        raise PolicyError(f"the key in {variable} holds characters that no request can carry")
    return key


def explain_missing(variable: str, url: str) -> str:
    """Why no key went with a request that was refused."""
    if not variable:
        return "no key was sent: key_variable is empty"
    if any(host.allows(url) for host in declared_keys().get(variable, [])):
        return f"no key was sent: {variable} is empty"
    return f"no key was sent: {DECLARED} does not allow {variable} for {_host_of(url)}"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, whatever name servers say."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host_of(url: str) -> str:
    """The host as it would be declared."""
    parts = urlsplit(url)
    plain = parts.scheme == "http" and not is_loopback(parts.hostname or "")
    return f"http://{parts.netloc}" if plain else parts.netloc
