"""Every setting of memgpt, and the only place that reads the environment.

Settings are read from ``MEMGPT_*`` variables (and ``DATABASE_URL``); libpq's own ``PG*`` variables keep their
meaning inside libpq. ``docs/settings.md`` lists them all.
"""

from __future__ import annotations

import os
import re
import warnings
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal

from platformdirs import user_data_path
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from memgpt.errors import ConfigurationError

OFFLINE_MODEL = "wordllama-l2-supercat-256"
"""The embedding model that needs no network: a static table of 256 dimensions inside the wordllama wheel."""

AUTOMATIC: Final = "auto"
"""The language setting with which each text has its own."""

NO_MODEL = "none"
"""The embedding model setting that says: the caller brings the vectors."""


PREFIX: Final = "MEMGPT_"
_OF_THE_TESTS: Final = "MEMGPT_TEST_"
_OF_THE_MEMORY: Final = frozenset(
    ["database_url", "data_dir", "db_schema", "db_role", "language"]
    + [f"embedding_{what}" for what in ("model", "dimensions", "base_url", "api_key")]
)
"""Settings that two processes must share to see and search the same memory."""
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\[\]:_-]+")


class Settings(BaseSettings):
    """The configuration of one process; immutable once read."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", populate_by_name=True)

    database_url: Annotated[SecretStr | None, Field(validation_alias="DATABASE_URL")] = None
    """PostgreSQL connection string. Absent (and no ``PGHOST``/``PGSERVICE``): the embedded server."""
    data_dir: Path = Field(default_factory=lambda: user_data_path("memgpt"))
    """Directory of the embedded server's data."""
    db_schema: Annotated[str, Field(validation_alias="MEMGPT_SCHEMA", min_length=1, max_length=63)] = "public"
    """PostgreSQL schema that holds memgpt's tables."""
    db_role: Annotated[str, Field(min_length=1, max_length=63)] = "memgpt_agent"
    """Role as which requests of the service, and isolated memories, run: it owns nothing."""
    agent: str = "default"
    """Agent used by the command line when ``--agent`` is not given."""
    language: str = AUTOMATIC
    """Text search configuration of new memories; ``auto`` finds the language of each text."""
    embedding_model: str = OFFLINE_MODEL
    """Embedding model; ``none`` means that the caller brings the vectors."""
    embedding_dimensions: Annotated[int | None, Field(ge=1, le=16000)] = None
    """Dimensions of the embeddings; needed only where the model cannot tell."""
    embedding_base_url: str | None = None
    """Address of an OpenAI-compatible embedding endpoint."""
    embedding_api_key: SecretStr | None = None
    """Key for the embedding endpoint; absent, the provider's own variable is used."""
    chat_model: str | None = None
    """Model of ``memgpt chat`` and of ``Agent``: ``provider:model``."""
    chat_base_url: str | None = None
    """Address of an endpoint that speaks the provider's protocol. The service's clients are forwarded there too."""
    chat_api_key: SecretStr | None = None
    """Key for the chat endpoint; absent, the provider's own variable is used."""
    chat_window: Annotated[int | None, Field(ge=2048)] = None
    """Tokens sent to the chat model at most; absent, what the model reads, at most 32,768."""
    pool_size: Annotated[int, Field(ge=1, le=1000)] = 8
    """Most connections one process opens."""
    connect_timeout: Annotated[float, Field(gt=0)] = 10.0
    """Seconds to wait for a connection."""
    statement_timeout: Annotated[float, Field(gt=0)] = 60.0
    """Seconds one call may wait for the server, enforced by the client too."""

    api_key: SecretStr | None = None
    """Key with which commands that connect to a running service are let in."""
    cors_origins: Annotated[tuple[str, ...] | None, NoDecode] = None
    """Origins of web pages whose scripts may call the service, with commas between them."""

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _origins(cls, value: object) -> object:
        origins = [origin.strip() for origin in value.split(",") if origin.strip()] if isinstance(value, str) else value
        if isinstance(origins, (list, tuple)) and (bad := [o for o in origins if not _ORIGIN.fullmatch(str(o))]):
            raise ValueError(f"{bad[0]!r} is not an origin: write it as browsers do, such as https://app.example.com")
        return origins

    @field_validator("language")
    @classmethod
    def _plain_language(cls, value: str) -> str:
        if not value.isidentifier():
            raise ValueError("must be 'auto' or the name of a text search configuration, such as 'english'")
        return value.lower()

    @property
    def uses_embedded_server(self) -> bool:
        """True when neither ``DATABASE_URL`` nor libpq's variables name a server."""
        return self.database_url is None and not any(
            os.environ.get(name) for name in ("PGHOST", "PGSERVICE", "PGHOSTADDR")
        )


def exports_telemetry(signal: Literal["traces", "metrics"]) -> bool:
    """Do OpenTelemetry's own variables ask for it? Its libraries read the rest of them."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if os.environ.get(f"OTEL_{signal.upper()}_EXPORTER") == "none":
        return False
    return any(
        os.environ.get(name)
        for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
    )


def variable(field: str) -> str:
    """Return the environment variable that sets a field."""
    return str(Settings.model_fields[field].validation_alias or f"{PREFIX}{field.upper()}")


def environment_of(options: Settings) -> dict[str, str]:
    """Return the variables that make another process work on the same memory, with secrets as they are."""
    fields = [name for name in Settings.model_fields if name in options.model_fields_set and name in _OF_THE_MEMORY]
    values = {variable(name): getattr(options, name) for name in fields}
    if options.uses_embedded_server:
        values[variable("data_dir")] = options.data_dir.absolute()
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in values.items()
        if value is not None
    }


def misspelt() -> list[str]:
    """Return a line for each ``MEMGPT_*`` variable that sets nothing, with the nearest one that does."""
    variables = {
        *map(variable, Settings.model_fields),
        *(f"{PREFIX}{field.upper()}" for field in Settings.model_fields),
    }
    strangers = [name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in variables]
    words = {name.removeprefix(PREFIX): name for name in map(variable, Settings.model_fields)}
    lines = []
    for name in sorted(name for name in strangers if not name.upper().startswith(_OF_THE_TESTS)):
        nearest = get_close_matches(name.upper().removeprefix(PREFIX), words, 1, 0.7)
        hint = f"did you mean {words[nearest[0]]}?" if nearest else "docs/settings.md lists those there are"
        lines.append(f"{name} is set, but memgpt has no such setting: {hint}")
    return lines


@cache
def settings() -> Settings:
    """Return the settings of this process, read once from the environment.

    Warns:
        UserWarning: a variable with our prefix sets nothing.

    Raises:
        ConfigurationError: a variable has a bad value; the message names it, never a secret's content.
    """
    for line in misspelt():
        warnings.warn(line, stacklevel=2)
    try:
        return Settings()
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"bad configuration: {problems}") from None
