"""`python -m api.cli` is `credit-desk`."""

from __future__ import annotations

from api.command_line import main

if __name__ == "__main__":
    main()
