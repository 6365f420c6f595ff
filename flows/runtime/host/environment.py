"""The PREFECT_* variables of a desk. They keep all files of Prefect inside the desk's folder.

Prefect reads its settings once, when it is imported. Apply the variables before that. This file
therefore does not import Prefect.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from urllib.parse import urljoin

from data.contracts.errors import ContractViolationError
from data.settings import Settings
from flows.runtime.host import logs
from flows.runtime.host.loopback import is_loopback

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - looked up, never bound
_SERVER_PASSWORD, _CLIENT_PASSWORD = "PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING"
_KEPT_IN_PREFECT_SECONDS = 30 * 24 * 3600
"""How long Prefect keeps a run after its end; its page in the UI is gone then."""
_SERVICES = "PREFECT_SERVER_SERVICES_"
_QUIET = {
    # By default Prefect writes every state of a task in a transaction of its own, and works on it
    # for half a minute after a burst of runs. It makes a whole number of the interval.
    f"{_SERVICES}TASK_RUN_RECORDER_READ_BATCH_SIZE": "50",
    f"{_SERVICES}TASK_RUN_RECORDER_BATCH_SIZE": "50",
    f"{_SERVICES}TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    # Loops that look for work every 5 to 20 seconds. No gate has a timeout in Prefect, no run has a
    # limit there, workers take runs when they are told, and the desk closes the subflows of a
    # cancelled run itself. What is left shows a run as late and a worker as offline.
    f"{_SERVICES}CANCELLATION_CLEANUP_LOOP_SECONDS": "60",
    f"{_SERVICES}CLEANUP_RECONCILER_LOOP_SECONDS": "60",
    f"{_SERVICES}FOREMAN_LOOP_SECONDS": "30",
    f"{_SERVICES}LATE_RUNS_LOOP_SECONDS": "60",
    f"{_SERVICES}PAUSE_EXPIRATIONS_LOOP_SECONDS": "60",
    f"{_SERVICES}REPOSSESSOR_LOOP_SECONDS": "60",
    f"{_SERVICES}SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "20",
    "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PT15S",
}
"""What keeps the server of one desk quiet; each can be set otherwise in the environment."""
_ALIASES = {
    "PREFECT_SERVER_DATABASE_CONNECTION_URL": "PREFECT_API_DATABASE_CONNECTION_URL",
    "PREFECT_SERVER_UI_API_URL": "PREFECT_UI_API_URL",
    "PREFECT_SERVER_UI_STATIC_DIRECTORY": "PREFECT_UI_STATIC_DIRECTORY",
    "PREFECT_SERVER_LOGGING_LEVEL": "PREFECT_LOGGING_SERVER_LEVEL",
    "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": "PREFECT_SERVER_CORS_ALLOWED_ORIGINS",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": (
        "PREFECT_API_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL"
    ),
    "PREFECT_SERVER_EVENTS_PROACTIVE_GRANULARITY": "PREFECT_EVENTS_PROACTIVE_GRANULARITY",
} | {
    f"PREFECT_SERVER_SERVICES_{service}_LOOP_SECONDS": (
        f"PREFECT_API_SERVICES_{service}_LOOP_SECONDS"
    )
    for service in ("CANCELLATION_CLEANUP", "FOREMAN", "LATE_RUNS", "PAUSE_EXPIRATIONS")
}
"""Second names that Prefect accepts. When both names are set, Prefect uses the first."""


def prefect_api_url(settings: Settings) -> str:
    """The address of this desk's own Prefect server, for clients on the same machine."""
    host = _ANYWHERE.get(settings.prefect_host, settings.prefect_host)
    return f"http://{host}:{settings.prefect_port}/api"


def prefect_environment(settings: Settings) -> dict[str, str]:
    """Every PREFECT_* variable of this desk.

    Variables that name the desk's folder and ports are fixed. For the others (the database, the
    API's address, log levels) a value in the process environment has priority.
    """
    home = settings.folder / "prefect"
    fixed = {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_API_HOST": settings.prefect_host,
        "PREFECT_SERVER_API_PORT": str(settings.prefect_port),
        # A client that cannot reach the server has to report that. By default it would start a
        # server of its own.
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        # Prefect would remember that block types are registered even after the database was
        # replaced, and the new database would have none.
        "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
        # Server and clients are one installation. The check would fail a worker that starts before
        # the server does.
        "PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    api_url = _chosen("PREFECT_API_URL") or prefect_api_url(settings)
    # By default browsers would call PREFECT_API_URL, which may be a name that only containers
    # can resolve.
    ui_api_url = _chosen("PREFECT_SERVER_UI_API_URL") or _ui_api_url(settings)
    defaults = _QUIET | {
        "PREFECT_API_URL": api_url,
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / 'prefect.db'}",
        "PREFECT_SERVER_UI_API_URL": ui_api_url,
        # By default any web page in a browser on this machine could answer in the user's place.
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": _origins(settings, api_url, ui_api_url),
        # By default the server writes into the installed package, which two desks share.
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"),
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        # A new subscriber misses an event that Prefect has received and not flushed yet: it is
        # neither in the stored events nor in the feed.
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "0.25",
        # By default Prefect keeps flow runs for ever, a megabyte each. The ledger has what counts.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(_KEPT_IN_PREFECT_SECONDS),
        # The desk opens the spans of its flow runs and task runs itself (`execution_span`,
        # `batch_spans`).
        "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_LOGGING_COLORS": "false",
    }
    defaults |= _log_lines(settings)
    if settings.prefect_redis_url:
        defaults |= _shared_through(settings.prefect_redis_url)
        if settings.prefect_services:
            # A server takes any task of its docket, and drops one that it does not know. A server
            # without services would drop the loops of the one that has them: scheduler, triggers,
            # late runs. Docket starts a lost loop again only once a minute.
            defaults["PREFECT_SERVER_DOCKET_NAME"] = "prefect-services"
    if not settings.prefect_services:  # the server that has them migrates the database
        defaults["PREFECT_SERVER_DATABASE_MIGRATE_ON_START"] = "false"
    # The desk's own processes use the server's password when they call it.
    password = _chosen(_SERVER_PASSWORD) or _chosen(_CLIENT_PASSWORD)
    passwords = dict.fromkeys((_SERVER_PASSWORD, _CLIENT_PASSWORD), password) if password else {}
    return fixed | {name: _chosen(name) or value for name, value in (defaults | passwords).items()}


def require_guarded(settings: Settings) -> None:
    """Refuse a Prefect server without a password that other machines can reach.

    Every caller of such a server could answer reviews in any reviewer's name.
    Raises ContractViolationError.
    """
    if not is_loopback(settings.prefect_host) and not prefect_environment(settings).get(
        _SERVER_PASSWORD
    ):
        raise ContractViolationError(
            "without a password the Prefect server answers on this machine only, and not on"
            f" {settings.prefect_host}: set {_SERVER_PASSWORD} to user:password, or"
            " CREDIT_DESK_PREFECT_HOST to 127.0.0.1"
        )


def require_services(settings: Settings) -> None:
    """Refuse a Prefect server that tells no other server what it is told.

    Raises ContractViolationError for a server without services and without Redis: nothing would
    record the tasks of its runs. The same for Redis without the package that talks to it.
    """
    if not settings.prefect_services and not settings.prefect_redis_url:
        raise ContractViolationError(
            "a Prefect server without services leaves them to another one: set"
            " CREDIT_DESK_PREFECT_REDIS_URL to the Redis of both"
        )
    if settings.prefect_redis_url and find_spec("prefect_redis") is None:
        raise ContractViolationError(
            "CREDIT_DESK_PREFECT_REDIS_URL needs another package: pip install"
            " 'credit-desk-lite[redis]'"
        )


def apply_prefect_environment(settings: Settings) -> None:
    """Set the variables for this process and its children, and create Prefect's folder."""
    variables = prefect_environment(settings)
    os.environ.update(variables)
    (settings.folder / "prefect").mkdir(parents=True, exist_ok=True)


def _log_lines(settings: Settings) -> dict[str, str]:
    """Prefect sets up the log of a process that imports it, and with it the desk's own lines."""
    return {
        "PREFECT_LOGGING_HANDLERS_CONSOLE_FORMATTER": "json",  # the name of a place, not a format
        "PREFECT_LOGGING_FORMATTERS_JSON_CLASS": (
            f"{logs.__name__}.{logs.formatter(settings).__name__}"
        ),
        "PREFECT_LOGGING_FORMATTERS_JSON_FORMAT": logs.LINE,
    }


def _shared_through(redis_url: str) -> dict[str, str]:
    """What servers on one database do through Redis instead of each in its own memory."""
    return {
        "PREFECT_REDIS_MESSAGING_URL": redis_url,
        "PREFECT_SERVER_EVENTS_MESSAGING_BROKER": "prefect_redis.messaging",
        "PREFECT_SERVER_EVENTS_MESSAGING_CACHE": "prefect_redis.messaging",
        "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect_redis.ordering",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect_redis.lease_storage",
        "PREFECT_SERVER_DOCKET_URL": redis_url,
    }


def _ui_api_url(settings: Settings) -> str:
    public = settings.public_prefect_url
    return f"{public.rstrip('/')}/api" if public else prefect_api_url(settings)


def _origins(settings: Settings, *urls: str) -> str:
    """The origins from which browsers may call the server: all names of the server itself."""
    here = (f"http://{host}:{settings.prefect_port}" for host in ("127.0.0.1", "localhost"))
    return ",".join(dict.fromkeys(urljoin(url, "/").rstrip("/") for url in (*here, *urls)))


def _chosen(name: str) -> str:
    return os.environ.get(name) or os.environ.get(_ALIASES.get(name, name), "")
