"""What a server is told about access: where it is bound, the names it answers to and its password, from options
and from the environment."""

from __future__ import annotations

import argparse
import hashlib
import hmac
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.access.hosts import Hosts, is_loopback
from app.access.sessions import Sessions
from memfactory_core.errors import ConfigError

PASSWORD = "MEMFACTORY_PASSWORD"
HOSTS = "MEMFACTORY_HOSTS"


@dataclass(frozen=True)
class Access:
    """Which names are answered to, the password (None: nobody is asked) and who gave it."""

    hosts: Hosts = field(default_factory=lambda: Hosts.of("127.0.0.1"))
    password: str | None = field(default=None, repr=False)
    sessions: Sessions = field(default_factory=Sessions, repr=False)

    def is_password(self, given: str) -> bool:
        """Whether this is the password; the time taken does not tell how much of it was right."""
        if self.password is None:
            return False
        digests = [
            hashlib.sha256(text.encode(errors="replace")).digest()
            for text in (given, self.password)
        ]
        return hmac.compare_digest(*digests)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command line that decide about access."""
    parser.add_argument("--host", default="127.0.0.1", help="the address to bind to")
    parser.add_argument("--port", type=int, default=8501, help="the port")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME",
        help=f"a further name that the lab answers to; may be repeated (or ${HOSTS}, commas between)",
    )  # fmt: skip
    parser.add_argument(
        "--password-file", type=Path, metavar="FILE",
        help=f"its first line is the password that is asked for (or ${PASSWORD})",
    )  # fmt: skip


def read_access(host: str, named: Sequence[str] = (), password_file: Path | None = None) -> Access:
    """What options and environment say. ConfigError where others can reach the address and there is no
    password, where the file cannot be read and where a name is no host."""
    # taken out of the environment, so that no run's process inherits it
    password = os.environ.pop(PASSWORD, None)
    if password_file is not None:
        password = _first_line(password_file)
    if password is not None and not password.strip():
        raise ConfigError(
            f"the password is empty: write one into the first line of {password_file}"
            if password_file
            else f"the password in {PASSWORD} is empty: set one, or unset the variable"
        )
    if not is_loopback(host.lower()):
        if password is None:
            raise ConfigError(
                f"--host {host} lets others reach the lab: set {PASSWORD} or give --password-file"
            )
        print(
            f"warning: passwords and pages cross the network unencrypted on {host}: put a proxy with TLS "
            "in front (docs/security.md)",
            file=sys.stderr,
            flush=True,
        )
    named = [*named, *re.findall(r"[^\s,]+", os.environ.get(HOSTS, ""))]
    return Access(Hosts.of(host, named), password)


def _first_line(path: Path) -> str:
    try:
        return (path.read_text(encoding="utf-8").splitlines() or [""])[0]
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"--password-file {path} cannot be read: {why}") from error
