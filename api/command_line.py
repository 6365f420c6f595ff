"""The entry point of `credit-desk`: Ctrl-C ends it without a traceback from its first line on.

The imports take a second, and several on a busy machine. Until they are done and the arguments are
read, Ctrl-C says that nothing was done. From then on it does what the command says.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

EXIT_CODE = 130
"""The exit code of a command that SIGINT has ended, as shells have it."""


def _end_at_once(_number: int, _frame: FrameType | None) -> None:
    os.write(2, b"credit-desk: ended before it did anything\n")
    os._exit(EXIT_CODE)


def let_commands_handle_ctrl_c() -> None:
    """Give Ctrl-C back to Python: it raises KeyboardInterrupt in the command."""
    if signal.getsignal(signal.SIGINT) is _end_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def main() -> None:
    """Run the command line; the entry point of the console script."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end_at_once)
    # Imported here, so that the signal is handled before the long imports.
    from api.cli import main as run

    run()
