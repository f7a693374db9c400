"""A chat endpoint on this machine for tests: it speaks the OpenAI protocol and says what it is told to."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Reply = Callable[[dict, str | None], tuple[int, dict]]
"""Status and body for a request's body and its Authorization header."""


def says(text: str, finish_reason: str = "stop") -> tuple[int, dict]:
    """The reply of an endpoint that works."""
    return 200, {"choices": [{"message": {"content": text}, "finish_reason": finish_reason}]}


@contextmanager
def serving(reply: Reply) -> Iterator[str]:
    """The address, up to /v1, of an endpoint that answers by `reply` while the block lasts."""

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = self.path == "/v1/chat/completions"
            status, answer = reply(body, self.headers.get("Authorization")) if known else (404, {})
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", answer["location"])
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
