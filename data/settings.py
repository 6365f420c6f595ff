"""Settings of one desk, read once per process from the environment and `.env`."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Port = Annotated[int, Field(ge=1, le=65535)]


def _at_commas(value: object) -> object:
    """The parts of a text that separates them by commas; other values as they are."""
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _with_places(*names: str) -> Callable[[str], str]:
    """A check that a template of an address has no place for anything but these."""

    def check(template: str) -> str:
        try:
            template.format(**dict.fromkeys(names, "0"))
        except (KeyError, IndexError, AttributeError, ValueError):
            known = ", ".join(f"{{{name}}}" for name in names)
            raise ValueError(f"the only places in this address are {known}") from None
        return template

    return check


Origin = Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$")]
"""The origin of a page as browsers send it: scheme, host, and the port if it is not the default."""


_ISSUER = r"^(https://[^\s?#]+|http://(localhost|127\.0\.0\.1)(:[0-9]{1,5})?(/[^\s?#]*)?)?$"
"""Plain HTTP for an issuer of this machine only: its answers are what people are known by."""


HttpAddress = Annotated[str, Field(pattern=r"^(https?://[^\s/?#]+(/[^\s?#]*)?)?$")]
"""The address of a server, or nothing."""


Engine = Annotated[
    str, Field(pattern=r"^(threads|processes|dask|ray|(tcp|tls)://[A-Za-z0-9.:_-]{1,200})$")
]
"""What executes the chunks of a batch."""


class FanOutPolicy(StrEnum):
    """What a fan-out does when one of its agents fails."""

    FAIL_FAST = "fail_fast"
    BEST_EFFORT = "best_effort"
    QUORUM = "quorum"


class AgentBackend(StrEnum):
    """Who words the findings of the agents. Rules compute them in either case."""

    RULES = "rules"
    CHAT = "chat"


def _as_pairs(value: object) -> object:
    """The pairs of a mapping: settings can be compared and hashed by them."""
    return tuple(value.items()) if isinstance(value, dict) else value


def _by_agent(value: object) -> object:
    """The pairs of a text such as `kyc=rules,underwriter.decision=chat`."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",") if part.strip()]
    return tuple((name.strip(), backend.strip()) for name, _, backend in pairs)


class LogFormat(StrEnum):
    """How the lines of a process's log are written."""

    TEXT = "text"
    JSON = "json"


class HitlOnTimeout(StrEnum):
    """What the desk declares when no reviewer answers a gate in time. Never an approval."""

    EXPIRE = "expire"
    """The application is incomplete; at `documents`, where the applicant owes the answer. At every
    other gate the lender owes it, and this means `DECLINE`."""
    DECLINE = "decline"
    """Declined, for the reasons that made the policy ask."""


class Settings(BaseSettings):
    """All settings of an operator. `.env.example` lists all names."""

    model_config = SettingsConfigDict(
        env_prefix="CREDIT_DESK_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    home: Path = Path(".credit-desk")
    """The desk's folder for databases, results and logs. The desk writes nowhere else."""
    api_host: str = "127.0.0.1"
    api_port: Port = 8000
    prefect_host: str = "127.0.0.1"
    prefect_port: Port = 4200
    prefect_services: bool = True
    """Whether this Prefect server also does the background work: schedules, records, triggers."""
    prefect_redis_url: str = ""
    """The Redis that several Prefect servers on one database share; empty means one server."""
    public_api_url: str = ""
    """URL of the API for users, if it differs from host and port (proxy, container)."""
    public_prefect_url: str = ""
    """URL of Prefect and its UI for users, if it differs from host and port."""
    data_dir: Path = Path(__file__).parent
    """Folder with policies, models, watchlists and synthetic applications."""
    prefect_yaml: Path = Path(__file__).parent.parent / "prefect.yaml"
    """File that declares the deployments."""
    ledger_url: str = ""
    """SQLAlchemy URL of the ledger; empty means SQLite inside `home`."""
    checkpoint_storage: str = ""
    """A saved Prefect storage block, `<type>/<name>`; empty means the ledger itself."""

    fan_out_policy: FanOutPolicy = FanOutPolicy.BEST_EFFORT
    fan_out_quorum: Annotated[int, Field(ge=1)] = 2
    agent_timeout_seconds: Annotated[float, Field(gt=0)] = 30.0
    agent_retries: Annotated[int, Field(ge=0, le=10)] = 2
    agent_backoff_seconds: Annotated[float, Field(ge=0)] = 0.2
    """Pause before the second try. It doubles with every further try."""
    agent_backend: AgentBackend = AgentBackend.RULES
    """`chat` needs the extra `chat`. It words single runs whose bundle names no backend; batches
    and previews stay on rules."""
    agent_backends: Annotated[
        tuple[tuple[str, AgentBackend], ...], NoDecode, BeforeValidator(_by_agent)
    ] = ()
    """Agents that differ from `agent_backend`, by label: `kyc=rules,underwriter.decision=chat`."""
    chat_model: str = ""
    """The model, or the name of the deployment on Azure."""
    chat_base_url: HttpAddress = ""
    """The address of a server that speaks OpenAI's protocol; empty is OpenAI itself."""
    chat_api_key: SecretStr = SecretStr("")
    chat_azure_endpoint: HttpAddress = ""
    """The address of an Azure OpenAI resource; empty for any other server."""
    chat_azure_api_version: str = "2024-10-21"
    chat_request_seconds: Annotated[float, Field(gt=0)] = 15.0
    """How long one request may take, and a stream may be silent."""
    chat_retries: Annotated[int, Field(ge=0, le=10)] = 3
    """How often a request is sent again after 429, 5xx or a broken connection."""
    chat_seconds: Annotated[float, Field(gt=0)] = 20.0
    """How long an agent waits for its text, all requests together. Less than
    `agent_timeout_seconds`: the rules' own text has to come in time."""
    chat_repairs: Annotated[int, Field(ge=0, le=5)] = 2
    """How often a refused text is asked for again."""
    chat_max_tokens: Annotated[int, Field(ge=1)] = 800
    """The longest reply to one request."""
    chat_run_tokens: Annotated[int, Field(ge=1)] = 100_000
    """How many tokens one run may use. After that, its agents use the rules' own text."""
    chat_stage_tokens: Annotated[int, Field(ge=1)] = 50_000
    chat_run_usd: Annotated[Decimal, Field(gt=0)] | None = None
    """How much one run may cost. The model then needs a price in `data/chat/prices.yaml`."""
    chat_stage_usd: Annotated[Decimal, Field(gt=0)] | None = None
    chat_cache_days: Annotated[int, Field(ge=0, le=3650)] = 30
    """How long an accepted answer serves other runs with an equal masked request; 0 for none."""
    chat_trace_content: bool = False
    """Write the masked content of messages into spans. For development only."""
    max_active_runs: Annotated[int, Field(ge=1)] = 4
    """How many runs one worker executes at the same time."""
    lease_seconds: Annotated[float, Field(gt=0)] = 15.0
    """How long a silent worker keeps its runs before another worker may take them."""
    lease_seconds_unattended: Annotated[float, Field(gt=0)] = 3600.0
    """The lease of a run in a plain Prefect worker, which does not renew leases."""
    hitl_timeout_seconds: Annotated[int, Field(gt=0)] | None = None
    """How long every gate waits; None uses the times of `policy/deadlines.yaml`."""
    hitl_on_timeout: HitlOnTimeout | None = None
    """What every gate declares after that time; None uses `policy/deadlines.yaml`."""
    notify_url: str = ""
    """A webhook for every request, reminder and escalation; empty sends none."""
    checkpoint_retention_days: Annotated[int, Field(ge=0)] = 90
    """Older checkpoints of ended runs are purged; 0 keeps all of them."""
    personal_data_months: Annotated[int, Field(ge=0)] = 25
    """Applications and documents are erased so many months after the last run of the application
    has ended, and not before `policy/retention.yaml` allows it; 0 keeps them for ever."""
    checkpoint_keep: Annotated[int, Field(ge=0)] = 0
    """How many of its latest checkpoints an ended run keeps; 0 keeps all."""
    max_documents: Annotated[int, Field(ge=1, le=50)] = 50
    """How many documents an application's file may have, with those that it came with."""
    max_document_bytes: Annotated[int, Field(ge=1)] = 25_000_000
    """How many bytes the documents that came later may have together."""
    max_active_jobs: Annotated[int, Field(ge=1)] = 2
    """How many scheduled jobs one worker runs at the same time, each in its own process."""
    batch_engine: Engine = "processes"
    """What executes the chunks of a batch: `threads`, `processes`, `dask` (a cluster of this
    machine), the address of a Dask scheduler, or `ray`. The last three need an extra."""
    batch_workers: Annotated[int, Field(ge=0)] = 0
    """How many threads or processes a batch uses on this machine; 0 is one per processor. A Dask
    scheduler elsewhere gets as many chunks at a time as it has threads."""
    batch_chunk_size: Annotated[int, Field(ge=1, le=100_000)] = 500
    """How many applications a chunk has: what is done again after a kill, at most, per worker."""
    batch_chunk_seconds: Annotated[float, Field(gt=0)] = 600.0
    """How long one try of a chunk may take."""
    batch_upload_days: Annotated[int, Field(ge=0)] = 30
    """How many days an uploaded portfolio is kept whose batch failed or was cancelled; 0 keeps it.
    The upload of a batch that is done goes at once."""
    batch_inbox: Path | None = None
    """The folder whose files the scheduled batch takes; by default `inbox` in `home`."""
    batch_parquet: bool = False
    """Write `decisions.parquet` too for the files of the inbox. It needs the extra `parquet`."""
    batch_open_reviews: Annotated[int, Field(ge=1)] = 20
    """About how many referred cases of batches people are asked at the same time."""
    batch_max_bytes: Annotated[int, Field(ge=1)] = 1_000_000_000
    """The largest file that `POST /batches` takes. Larger ones go into the inbox."""
    watchlist_dir: Path | None = None
    """Folder of imported watchlists, which API and workers share; by default inside `home`."""
    watchlist_max_age_days: Annotated[int, Field(ge=1)] | None = None
    """How old every watchlist may be; None uses the limits of `policy/screening.yaml`."""
    claim_minutes: Annotated[int, Field(gt=0)] = 30
    """How long a claimed request is reserved for the reviewer who claimed it."""

    api_keys_file: Path | None = None
    """File with hashed API keys and their roles; by default `keys.json` in `home`, if it exists."""
    api_key: SecretStr = SecretStr("")
    """The API key that the commands of this process use."""
    session_minutes: Annotated[int, Field(ge=1)] = 480
    """How long a person stays signed in with a browser."""
    oidc_issuer: Annotated[str, Field(pattern=_ISSUER)] = ""
    """Who signs people in by OpenID Connect; empty for no issuer. Needs the extra `oidc`."""
    oidc_client_id: str = "credit-desk"
    oidc_client_secret: SecretStr = SecretStr("")
    """Empty for a public client: PKCE is used in any case."""
    oidc_scope: str = "openid profile"
    oidc_roles_claim: str = "groups"
    """The claim of the ID token that names a person's groups, or the path to it."""
    oidc_roles: Annotated[tuple[tuple[str, str], ...], BeforeValidator(_as_pairs)] = ()
    """The role of the desk that each group has. A person without one is not let in."""
    rate_limit_per_minute: Annotated[int, Field(ge=1)] = 600
    """How many requests one API key may send."""
    cors_origins: Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_at_commas)] = ()
    """Origins of other sites whose pages may call the API, separated by commas. Exact origins
    only: a `*` is refused."""
    streams_per_key: Annotated[int, Field(ge=1)] = 20
    """How many event streams one API key may have open at the same time in one API process."""
    streams_per_process: Annotated[int, Field(ge=1)] = 2000
    """How many event streams one API process serves at the same time."""
    api_max_connections: Annotated[int, Field(ge=1)] = 3000
    """How many connections one API process serves at the same time, streams included. It answers
    503 to further ones."""
    api_backlog: Annotated[int, Field(ge=1)] = 1024
    """How many connections may wait until the API process accepts them."""

    otlp_endpoint: str = Field(default="", validation_alias="OTLP_ENDPOINT")
    trace_console: bool = False
    """Without a collector, write spans into the process's log instead of files beside it."""
    trace_url: Annotated[str, AfterValidator(_with_places("trace_id"))] = ""
    """Where people look at a trace. While this and `span_url` are empty: Jaeger's UI on this
    machine, if the collector answers."""
    span_url: Annotated[str, AfterValidator(_with_places("trace_id", "span_id"))] = ""
    """Where people look at one span of a trace."""
    log_level: str = "INFO"
    log_format: LogFormat = LogFormat.TEXT

    @model_validator(mode="after")
    def _engine_and_ledger_fit(self) -> Self:
        if "://" in self.batch_engine and self.ledger.startswith("sqlite"):
            raise PydanticCustomError(
                "engine_needs_postgresql",
                "batch_engine names a scheduler of other machines, which cannot write to SQLite:"
                " name a PostgreSQL ledger with CREDIT_DESK_LEDGER_URL",
            )
        return self

    @property
    def uses_chat(self) -> bool:
        """Whether a chat model words the findings of any agent."""
        return AgentBackend.CHAT in {self.agent_backend, *dict(self.agent_backends).values()}

    @cached_property
    def folder(self) -> Path:
        """The desk's folder as an absolute path."""
        return self.home.expanduser().resolve()

    @property
    def ledger(self) -> str:
        return self.ledger_url or f"sqlite:///{self.folder / 'ledger.db'}"

    @property
    def inbox(self) -> Path:
        """The folder whose files the scheduled batch takes."""
        return (self.batch_inbox or self.folder / "inbox").expanduser().resolve()

    @property
    def imported_watchlists(self) -> Path:
        """The folder of the lists that `watchlist import` writes."""
        return (self.watchlist_dir or self.folder / "watchlists").expanduser().resolve()

    @property
    def parties_secret(self) -> Path:
        """The file of the secret that the people of applications are digested with."""
        return self.folder / "parties" / "secret"

    @property
    def keys_file(self) -> Path:
        """The file with the API keys."""
        return self.api_keys_file or self.folder / "keys.json"

    @property
    def has_api_keys(self) -> bool:
        """Whether callers need an API key.

        Also true while a configured key file is missing, so that a wrong path does not open the
        desk to every caller.
        """
        return self.api_keys_file is not None or self.keys_file.is_file()

    @property
    def requires_identity(self) -> bool:
        """Whether callers must show who they are, by an API key or by a session."""
        return self.has_api_keys or bool(self.oidc_issuer)

    @property
    def api_url(self) -> str:
        return self.public_api_url or f"http://{self.api_host}:{self.api_port}"

    @property
    def prefect_url(self) -> str:
        return self.public_prefect_url or f"http://{self.prefect_host}:{self.prefect_port}"


@cache
def settings() -> Settings:
    """The settings of this process. Read them once and pass them on."""
    return Settings()
