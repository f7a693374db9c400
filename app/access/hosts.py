"""The names under which the lab answers. A page of another site that rebinds its own name to this machine
sends that name as Host, and is refused by it."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from memfactory_core.errors import ConfigError

_AUTHORITY = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9_.-]{1,253})(?::([0-9]{1,5}))?")
_ORIGIN = re.compile(r"(https?)://([^/]{1,300})")
_USUAL_PORT = {"http": 80, "https": 443}


class Authority(NamedTuple):
    """A host with its port; None where none is written."""

    host: str
    port: int | None


def read_authority(text: str) -> Authority | None:
    """`name`, `name:port`, `[::1]:port` in the form in which names are compared; None for anything else."""
    found = _AUTHORITY.fullmatch(text.lower())
    if found is None:
        return None
    host = found[1].strip("[]").removesuffix(".")
    port = int(found[2]) if found[2] else None
    if not host or (port is not None and not 0 < port < 65536):
        return None
    return Authority(_plain_address(host) or host, port)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address; a name other than localhost may lead anywhere."""
    address = _plain_address(host)
    return host == "localhost" or (
        address is not None and ipaddress.ip_address(address).is_loopback
    )


@dataclass(frozen=True)
class Hosts:
    """The names that are answered to; with `any_address` every plain IP address too, since no other site's
    name can be one."""

    allowed: frozenset[Authority]
    any_address: bool = False

    @classmethod
    def of(cls, bound: str, named: Iterable[str] = ()) -> Hosts:
        """Loopback, the bound address and the names given. Bound to every interface: this machine's name
        and every plain address. ConfigError where a name is no host."""
        everywhere = bound in ("", "0.0.0.0", "::")
        allowed = {Authority(host, None) for host in ("localhost", "127.0.0.1", "::1")}
        own = socket.gethostname().lower() if everywhere else bound.lower().strip("[]")
        allowed.add(Authority(_plain_address(own) or own, None))
        for name in named:
            authority = read_authority(f"[{name}]" if name.count(":") > 1 else name)
            if authority is None:
                raise ConfigError(
                    f"--allow-host {name!r} is no host: write a name or an address, with a port if only "
                    "that one is meant, such as lab.example or lab.example:8443"
                )
            allowed.add(authority)
        return cls(frozenset(allowed), everywhere)

    def allows(self, host: str) -> bool:
        """Whether a Host header names this lab. A name without a port stands for every port."""
        asked = read_authority(host)
        if asked is None:
            return False
        if self.any_address and _plain_address(asked.host):
            return True
        ports = (asked.port, None) if asked.port else (None, *_USUAL_PORT.values())
        return any(Authority(asked.host, port) in self.allowed for port in ports)


def is_same_origin(origin: str, host: str) -> bool:
    """Whether an Origin header and a Host header name the same server. Another port of the same machine is
    another program."""
    found, asked = _ORIGIN.fullmatch(origin.lower()), read_authority(host)
    if found is None or asked is None:
        return False
    here, usual = read_authority(found[2]), _USUAL_PORT[found[1]]
    return here is not None and (here.host, here.port or usual) == (asked.host, asked.port or usual)


def _plain_address(host: str) -> str | None:
    """An IP address in its one form; None for a name."""
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return None
