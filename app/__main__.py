"""`python -m app` opens the lab; `memfactory lab` does the same."""

import argparse
import sys

from app.access.settings import add_options, read_access
from app.server import serve
from memfactory_core.errors import MemFactoryError

parser = argparse.ArgumentParser(prog="app", description="Open MemFactory Lab in a browser.")
add_options(parser)
chosen = parser.parse_args()
try:
    serve(
        chosen.host, chosen.port, read_access(chosen.host, chosen.allow_host, chosen.password_file)
    )
except MemFactoryError as error:
    print(f"memfactory: {error}", file=sys.stderr)
    sys.exit(2)
