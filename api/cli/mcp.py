"""The desk's tools for a language model, over stdin and stdout."""

from __future__ import annotations

from api.cli import options


def mcp(api: options.Api = None, home: options.Home = None) -> None:
    """Serve read-only tools to a language model over stdin and stdout (MCP).

    A client of the protocol starts this command. The tools ask the desk's API with the key of
    --key or CREDIT_DESK_API_KEY.
    """
    import asyncio
    import signal

    from api.cli.client import find_desk
    from api.mcp.endpoint import require_installed

    require_installed()
    from api.mcp.server import serve_stdio

    # A thread waits for the next line of stdin. No handler in Python could end that wait.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    asyncio.run(serve_stdio(lambda: find_desk(api, home)))
