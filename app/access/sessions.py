"""Sessions: a signed cookie that holds an id and an hour of expiry. The server keeps only the ids that logged
out; its secret is new at each start, so that a restart ends every session."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

HOURS = 12.0
"""How long a session lasts."""


class Sessions:
    """Opens, reads and ends sessions; `clock` gives seconds."""

    def __init__(
        self, secret: bytes | None = None, hours: float = HOURS,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._secret = secret or secrets.token_bytes(32)
        self._clock = clock
        self.seconds = int(hours * 3600)
        self._ended: dict[str, int] = {}

    def open(self) -> str:
        """The token of a new session."""
        return self.sign(secrets.token_hex(16), int(self._clock()) + self.seconds)

    def sign(self, session: str, expires: int) -> str:
        """A token: `id.expires.signature`."""
        return f"{session}.{expires}.{self._signature(f'{session}.{expires}')}"

    def is_open(self, token: str) -> bool:
        """Whether a token was signed here, has not expired and has not logged out."""
        signed, _, signature = token.rpartition(".")
        expected = self._signature(signed)
        if not hmac.compare_digest(signature.encode(errors="replace"), expected.encode()):
            return False
        session, _, expires = signed.partition(".")
        return int(expires) > self._clock() and session not in self._ended

    def end(self, token: str) -> None:
        """Logs a session out; its token opens nothing any more."""
        if not self.is_open(token):
            return
        now = self._clock()
        self._ended = {known: until for known, until in self._ended.items() if until > now}
        session, expires, _ = token.split(".")
        self._ended[session] = int(expires)

    def _signature(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(errors="replace"), hashlib.sha256).hexdigest()
