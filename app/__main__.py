"""`python -m app` opens the lab; `memfactory lab` does the same."""

import argparse

from app.server import serve

parser = argparse.ArgumentParser(prog="app", description="Open MemFactory Lab in a browser.")
parser.add_argument("--host", default="127.0.0.1", help="the address to bind to")
parser.add_argument("--port", type=int, default=8501, help="the port")
chosen = parser.parse_args()
serve(chosen.host, chosen.port)
