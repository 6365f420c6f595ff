"""Settings of one desk, read once per process from the environment and `.env`."""

from __future__ import annotations

from enum import StrEnum
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

Port = Annotated[int, Field(ge=1, le=65535)]


class FanOutPolicy(StrEnum):
    """What a fan-out does when one of its agents fails."""

    FAIL_FAST = "fail_fast"
    BEST_EFFORT = "best_effort"
    QUORUM = "quorum"


class HitlOnTimeout(StrEnum):
    """What the system declares when nobody answers a gate in time. Never an approval."""

    EXPIRE = "expire"
    DECLINE = "decline"


class Settings(BaseSettings):
    """Everything that an operator may choose. `.env.example` lists all names."""

    model_config = SettingsConfigDict(
        env_prefix="CREDIT_DESK_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    home: Path = Path(".credit-desk")
    """The desk's folder: databases, results, logs. Nothing of a desk lies elsewhere."""
    api_host: str = "127.0.0.1"
    api_port: Port = 8000
    prefect_host: str = "127.0.0.1"
    prefect_port: Port = 4200
    public_api_url: str = ""
    """Where people reach the API if that is not host and port: behind a proxy, in a container."""
    public_prefect_url: str = ""
    """The same for Prefect and its UI."""
    data_dir: Path = Path(__file__).parent
    """Where policies, models, watchlists and synthetic applications are read from."""
    prefect_yaml: Path = Path(__file__).parent.parent / "prefect.yaml"
    """Where the deployments are declared."""
    ledger_url: str = ""
    """SQLAlchemy URL of the ledger; empty means SQLite inside `home`."""
    checkpoint_storage: str = ""
    """A saved Prefect storage block, `<type>/<name>`; empty means the ledger itself."""

    fan_out_policy: FanOutPolicy = FanOutPolicy.BEST_EFFORT
    fan_out_quorum: Annotated[int, Field(ge=1)] = 2
    agent_timeout_seconds: Annotated[float, Field(gt=0)] = 30.0
    agent_retries: Annotated[int, Field(ge=0, le=10)] = 2
    agent_backoff_seconds: Annotated[float, Field(ge=0)] = 0.2
    """Pause before the second try; doubles with every further one."""
    max_active_runs: Annotated[int, Field(ge=1)] = 4
    """How many runs one worker executes at the same time."""
    lease_seconds: Annotated[float, Field(gt=0)] = 15.0
    """How long a silent worker keeps its runs before another may take them."""
    lease_seconds_unattended: Annotated[float, Field(gt=0)] = 3600.0
    """The lease of a run that a stock Prefect worker executes, where nobody renews it."""
    hitl_timeout_seconds: Annotated[int, Field(gt=0)] | None = None
    """How long every gate waits; None leaves it to `policy/deadlines.yaml`, gate by gate."""
    hitl_on_timeout: HitlOnTimeout | None = None
    """What is declared then at every gate; None leaves it to `policy/deadlines.yaml`."""
    notify_url: str = ""
    """A webhook that is told of every request, reminder and escalation; empty tells nobody."""
    checkpoint_retention_days: Annotated[int, Field(ge=0)] = 90
    """Checkpoints of ended runs are purged when they are older; 0 keeps them for ever."""
    checkpoint_keep: Annotated[int, Field(ge=0)] = 0
    """How many checkpoints an ended run keeps, the latest ones; 0 keeps all."""
    max_documents: Annotated[int, Field(ge=1)] = 50
    """How many documents may be added to an application's file."""
    max_document_bytes: Annotated[int, Field(ge=1)] = 25_000_000
    """How many bytes all of them may take together."""
    max_active_jobs: Annotated[int, Field(ge=1)] = 1
    """How many scheduled jobs one worker has under way at the same time, each as a process."""
    claim_minutes: Annotated[int, Field(gt=0)] = 30
    """How long a claimed request is kept for whoever claimed it."""

    api_keys_file: Path | None = None
    """Hashed API keys with their roles; by default `keys.json` in `home`, once it exists."""
    api_key: SecretStr = SecretStr("")
    """The key by which this process's commands ask the desk."""
    rate_limit_per_minute: Annotated[int, Field(ge=1)] = 600
    """How many requests one API key may send."""

    otlp_endpoint: str = Field(default="", validation_alias="OTLP_ENDPOINT")
    trace_url: str = "http://localhost:16686/trace/{trace_id}"
    log_level: str = "INFO"

    @cached_property
    def folder(self) -> Path:
        """The desk's folder as an absolute path."""
        return self.home.expanduser().resolve()

    @property
    def ledger(self) -> str:
        return self.ledger_url or f"sqlite:///{self.folder / 'ledger.db'}"

    @property
    def keys_file(self) -> Path:
        """Where the API keys are kept."""
        return self.api_keys_file or self.folder / "keys.json"

    @property
    def has_api_keys(self) -> bool:
        """Whether callers have to prove who they are; also while a file that was named is missing:
        what was meant to be closed is not opened by a typing error."""
        return self.api_keys_file is not None or self.keys_file.is_file()

    @property
    def api_url(self) -> str:
        return self.public_api_url or f"http://{self.api_host}:{self.api_port}"

    @property
    def prefect_url(self) -> str:
        return self.public_prefect_url or f"http://{self.prefect_host}:{self.prefect_port}"


@cache
def settings() -> Settings:
    """This process's settings. Whoever needs one reads it here, once, and passes it on."""
    return Settings()
