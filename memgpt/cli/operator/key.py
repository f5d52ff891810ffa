"""``memgpt key``: the keys of the service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from memgpt import validation
from memgpt.cli import output
from memgpt.cli.options import Dsn, Json, JsonLines, Limit, Schema, chosen, postponed
from memgpt.errors import InputError
from memgpt.models import PERMISSIONS, Permission
from memgpt.server.keys import Keys, NewKey
from memgpt.server.keys_store import AuditFilter, KeyStore

app = typer.Typer(add_completion=False, help="Keys of the service (memgpt serve).", no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(help="The key's id, as `memgpt key list` shows it.", show_default=False)]
_DURATION = re.compile(r"(\d{1,6})([smhdw])")


@app.command()
def create(
    name: Annotated[str, typer.Option("--name", help="What the key is for.")] = "",
    agent: Annotated[
        list[str] | None, typer.Option("--agent", help="An agent, or a beginning such as 'acme-*'; repeatable.")
    ] = None,
    permission: Annotated[
        list[str] | None,
        typer.Option("--permission", help="read, write, admin, metrics; repeatable. Else the first two."),
    ] = None,
    expires: Annotated[str | None, typer.Option("--expires", help="A time, or a duration: 90d, 12h.")] = None,
    rate: Annotated[int | None, typer.Option("--rate", help="Most requests in a minute.")] = None,
    dsn: Dsn = None,
    schema: Schema = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it, once: only its hash is kept."""
    if not agent:
        raise InputError("say which agents the key may touch: --agent NAME, --agent 'acme-*', or --agent '*' for all")
    permissions: list[Permission] = [p for p in PERMISSIONS if p in (permission or ["read", "write"])]
    for granted in permission or []:
        validation.choice(granted, PERMISSIONS, "--permission")
    with _keys(dsn, schema) as keys:
        until = None if expires is None else _until(expires)
        key = keys.create(name, permissions=permissions, agents=agent, requests_per_minute=rate, expires_at=until)
    _show(key, as_json)


@app.command("list")
def list_command(dsn: Dsn = None, schema: Schema = None, as_json: Json = False) -> None:
    """Show the keys, without their secrets."""
    with _keys(dsn, schema) as keys:
        listed = keys.list()
    if as_json:
        output.show_json(listed)
        return
    rows = [
        (
            key.key_id,
            key.name,
            " ".join(key.permissions),
            " ".join(key.agents),
            key.requests_per_minute,
            _day(key.expires_at),
            _day(key.revoked_at),
        )
        for key in listed
    ]
    output.show_table(("id", "name", "may", "agents", "per minute", "expires", "revoked"), rows)


@app.command()
def rotate(
    key_id: KeyId,
    grace: Annotated[str | None, typer.Option("--grace", help="How long the old key still works: 24h, 7d.")] = None,
    dsn: Dsn = None,
    schema: Schema = None,
    as_json: Json = False,
) -> None:
    """Replace a key by a new one of the same scope; the old one ends now, or after --grace."""
    with _keys(dsn, schema) as keys:
        key = keys.rotate(key_id, grace=_duration(grace) if grace else timedelta(0))
    _show(key, as_json)


@app.command()
def revoke(key_id: KeyId, dsn: Dsn = None, schema: Schema = None, as_json: Json = False) -> None:
    """End a key now; a running service notices within two seconds."""
    with _keys(dsn, schema) as keys:
        key = keys.revoke(key_id)
    if as_json:
        output.show_json(key)
        return
    output.say(f"✓ key {key_id} is revoked")


@app.command()
def audit(
    key: Annotated[str | None, typer.Option("--key", help="Only of this key's id.", show_default=False)] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Only about this agent.", show_default=False)] = None,
    refused: Annotated[bool | None, typer.Option("--refused/--allowed", help="Only those.", show_default=False)] = None,
    since: Annotated[str | None, typer.Option("--since", help="Only from this time on.", show_default=False)] = None,
    until: Annotated[str | None, typer.Option("--until", help="Only before this time.", show_default=False)] = None,
    limit: Limit = 50,
    before: Annotated[int | None, typer.Option("--before", min=1, help="The id of the last line seen.")] = None,
    dsn: Dsn = None,
    schema: Schema = None,
    as_json: JsonLines = False,
) -> None:
    """Show who wrote what through the service, and who was refused, newest first."""
    chosen_lines = AuditFilter(
        key, agent, refused, validation.moment(since, "--since"), validation.moment(until, "--until")
    )
    with postponed(chosen(dsn, schema)) as database:
        lines = database.read(lambda connection: KeyStore(connection).audited(chosen_lines, limit=limit, before=before))
    output.show_list(
        lines,
        ("id", "at", "key", "agent", "action", "status"),
        lambda line: (line.id, line.logged_at, line.key_id, line.agent_id, line.action, line.status),
        as_json=as_json,
    )


@contextmanager
def _keys(dsn: str | None, schema: str | None) -> Iterator[Keys]:
    with postponed(chosen(dsn, schema)) as database:
        yield Keys(database)


def _show(new: NewKey, as_json: bool) -> None:
    if as_json:
        output.show_json(new)
        return
    output.say(new.token)
    output.note(f"key {new.key.key_id} for {', '.join(new.key.agents)}: keep it, it is not shown again")


def _until(value: str) -> datetime:
    if value[:1].isdigit() and value[-1:].isalpha() and value[-1:] != "Z":
        return datetime.now(UTC) + _duration(value)
    moment = validation.moment(value, "--expires")
    assert moment is not None  # noqa: S101 - only None gives None
    return moment


def _duration(value: str) -> timedelta:
    match = _DURATION.fullmatch(value)
    if match is None:
        raise InputError(f"a duration is a number and a unit, such as 30m, 12h, 90d or 4w, not {value!r}")
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
    return timedelta(**{units[match[2]]: int(match[1])})


def _day(moment: datetime | None) -> str:
    return moment.isoformat(" ", "seconds") if moment else ""
