"""The start of the command `baton`."""

import sys
from importlib import import_module


def run() -> None:
    """Run the command line; Ctrl-C while its modules are imported ends it without a traceback."""
    try:
        # Not at the top: importing takes a second or more, and nothing would catch the interrupt.
        app = import_module("server.cli.main").app
    except KeyboardInterrupt:
        sys.exit(130)
    app()
