"""The PREFECT_* variables of one desk, so that nothing of Prefect lies outside its folder.

Prefect reads its settings once, when it is imported: apply them before that. This file
therefore imports nothing of Prefect.
"""

from __future__ import annotations

import os
from urllib.parse import urljoin

from data.contracts.errors import ContractViolationError
from data.settings import Settings
from flows.runtime.host.loopback import is_loopback

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - looked up, never bound
_SERVER_PASSWORD, _CLIENT_PASSWORD = "PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING"
_ALIASES = {
    "PREFECT_SERVER_DATABASE_CONNECTION_URL": "PREFECT_API_DATABASE_CONNECTION_URL",
    "PREFECT_SERVER_UI_API_URL": "PREFECT_UI_API_URL",
    "PREFECT_SERVER_UI_STATIC_DIRECTORY": "PREFECT_UI_STATIC_DIRECTORY",
    "PREFECT_SERVER_LOGGING_LEVEL": "PREFECT_LOGGING_SERVER_LEVEL",
    "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": "PREFECT_SERVER_CORS_ALLOWED_ORIGINS",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": (
        "PREFECT_API_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL"
    ),
}
"""Second spellings that Prefect accepts; the first one wins where both are set."""


def prefect_api_url(settings: Settings) -> str:
    """Where this desk's own Prefect server answers, as a client on the same machine calls it."""
    host = _ANYWHERE.get(settings.prefect_host, settings.prefect_host)
    return f"http://{host}:{settings.prefect_port}/api"


def prefect_environment(settings: Settings) -> dict[str, str]:
    """Every PREFECT_* variable of this desk, with the operator's value where there is one.

    What makes the desk one folder on its own ports is fixed; the database, the API's address,
    log levels and the like may be chosen in the process environment and are then kept.
    """
    home = settings.folder / "prefect"
    fixed = {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_API_HOST": settings.prefect_host,
        "PREFECT_SERVER_API_PORT": str(settings.prefect_port),
        # A client that cannot reach the server has to say so, not to start one of its own.
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        # The memo outlives a database that was replaced, and then block types are missing.
        "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    api_url = _chosen("PREFECT_API_URL") or prefect_api_url(settings)
    # Unset, the browser would be sent to PREFECT_API_URL, a name only containers may know.
    ui_api_url = _chosen("PREFECT_SERVER_UI_API_URL") or _ui_api_url(settings)
    defaults = {
        "PREFECT_API_URL": api_url,
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / 'prefect.db'}",
        "PREFECT_SERVER_UI_API_URL": ui_api_url,
        # Unset, any page in a browser of this machine could answer for whoever sits there.
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": _origins(settings, api_url, ui_api_url),
        # Unset, the server writes into the installed package, which two desks share.
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"),
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        # An event that is not flushed yet is in neither backfill nor feed of a new subscriber.
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "0.25",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_LOGGING_COLORS": "false",
    }
    # The server's password is also what this desk's own processes call it with.
    password = _chosen(_SERVER_PASSWORD) or _chosen(_CLIENT_PASSWORD)
    passwords = dict.fromkeys((_SERVER_PASSWORD, _CLIENT_PASSWORD), password) if password else {}
    return fixed | {name: _chosen(name) or value for name, value in (defaults | passwords).items()}


def require_guarded(settings: Settings) -> None:
    """Whoever reaches a Prefect server without a password may answer for everybody.

    Raises ContractViolationError when that would be other machines.
    """
    if not is_loopback(settings.prefect_host) and not prefect_environment(settings).get(
        _SERVER_PASSWORD
    ):
        raise ContractViolationError(
            "without a password the Prefect server answers on this machine only, and not on"
            f" {settings.prefect_host}: set {_SERVER_PASSWORD} to user:password, or"
            " CREDIT_DESK_PREFECT_HOST to 127.0.0.1"
        )


def apply_prefect_environment(settings: Settings) -> None:
    """Make this process, and what it starts, belong to this desk; creates Prefect's folder."""
    variables = prefect_environment(settings)
    os.environ.update(variables)
    (settings.folder / "prefect").mkdir(parents=True, exist_ok=True)


def _ui_api_url(settings: Settings) -> str:
    public = settings.public_prefect_url
    return f"{public.rstrip('/')}/api" if public else prefect_api_url(settings)


def _origins(settings: Settings, *urls: str) -> str:
    """What browsers call the sites that are this desk's Prefect server, whatever name they use."""
    here = (f"http://{host}:{settings.prefect_port}" for host in ("127.0.0.1", "localhost"))
    return ",".join(dict.fromkeys(urljoin(url, "/").rstrip("/") for url in (*here, *urls)))


def _chosen(name: str) -> str:
    return os.environ.get(name) or os.environ.get(_ALIASES.get(name, name), "")
