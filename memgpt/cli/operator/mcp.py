"""``memgpt mcp``: the MCP server over standard input and output, for desktop assistants."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from memgpt.cli import output
from memgpt.cli.options import Dsn, Schema, chosen
from memgpt.config import Settings, environment_of, settings
from memgpt.errors import InputError, MissingExtraError


class ModeName(StrEnum):
    """Set of tools that the MCP server offers."""

    memory = "memory"
    reference = "reference"


app = typer.Typer(add_completion=False)

KEY: Final = "MEMGPT_API_KEY"
SECRETS: Final = frozenset(("DATABASE_URL", "PGPASSWORD", "MEMGPT_EMBEDDING_API_KEY", KEY))


@app.command()
def mcp(
    agent: Annotated[str | None, typer.Option("--agent", help="Whose memory; else MEMGPT_AGENT.")] = None,
    connect: Annotated[
        str | None,
        typer.Option("--connect", help="Address of a running `memgpt serve` to pass everything on to.", metavar="URL"),
    ] = None,
    mode: Annotated[
        ModeName, typer.Option("--mode", help="memory: tools for everything; reference: those of the reference server.")
    ] = ModeName.memory,
    config: Annotated[bool, typer.Option("--config", help="Print the settings of the known clients.")] = False,
    dsn: Dsn = None,
    schema: Schema = None,
) -> None:
    """Serve the memory to an assistant on this machine, over stdio."""
    if connect is not None and (dsn is not None or schema is not None or mode != "memory"):
        raise InputError("--connect leaves --dsn, --schema and --mode to the service it connects to: leave them out")
    if config:
        _show_config(agent, connect, mode, chosen(dsn, schema))
    elif connect is not None:
        _bridge(connect, agent)
    else:
        _serve(agent, mode, chosen(dsn, schema))


def _serve(agent: str | None, mode: ModeName, options: Settings) -> None:
    try:
        from memgpt.server.mcp import create_server
    except ImportError as error:
        raise MissingExtraError(error.name or "mcp", "mcp", "`memgpt mcp`") from error
    from memgpt.server.service import Service

    service = Service(options, keys_required=False)
    try:
        service.check()
        create_server(service, mode=mode.value, agent=agent).run("stdio")
    finally:
        service.close()


def _bridge(url: str, agent: str | None) -> None:
    try:
        from memgpt.cli.operator import bridge
    except ImportError as error:
        raise MissingExtraError(error.name or "httpx2", "mcp", "`memgpt mcp --connect`") from error
    options = settings()
    named = agent or (options.agent if "agent" in options.model_fields_set else None)
    key = options.api_key.get_secret_value() if options.api_key else None
    bridge.run(url, named, key, options.connect_timeout)


def _show_config(agent: str | None, connect: str | None, mode: ModeName, options: Settings) -> None:
    program, *before = _program()
    arguments = [*before, "mcp", "--agent", agent or options.agent]
    arguments += ["--mode", mode.value] if mode != "memory" else []
    arguments += ["--connect", connect] if connect else []
    environment = _environment_of_bridge(options) if connect else _environment(options)
    stdio = {"command": program, "args": arguments, "env": environment}
    exports = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
    servers = {"mcpServers": {"memgpt": stdio}}
    snippets: list[tuple[str, dict[str, Any] | str]] = [
        ("Claude Desktop: claude_desktop_config.json (Settings, Developer, Edit Config)", servers),
        ("Claude Code", shlex.join(["claude", "mcp", "add", "memgpt", *exports, "--", program, *arguments])),
        ("Cursor: ~/.cursor/mcp.json", servers),
        ("Windsurf: ~/.codeium/windsurf/mcp_config.json", servers),
        ("VS Code: .vscode/mcp.json", {"servers": {"memgpt": {"type": "stdio", **stdio}}}),
        ("Zed: settings.json", {"context_servers": {"memgpt": stdio}}),
        (
            "Any client over HTTP, with a running `memgpt serve` and a key of `memgpt key create`",
            {
                "mcpServers": {
                    "memgpt": {
                        "type": "http",
                        "url": f"http://127.0.0.1:8283/mcp?agent={quote(agent or options.agent)}",
                        "headers": {"Authorization": "Bearer memgpt_..."},
                    }
                }
            },
        ),
    ]
    for title, snippet in snippets:
        output.say(f"# {title}", "bold")
        output.say(snippet if isinstance(snippet, str) else json.dumps(snippet, indent=2))
        output.say("")
    if environment.keys() & SECRETS:
        output.note("the configuration holds a password or a key: keep the files it goes into to yourself")


def _program() -> list[str]:
    """Return what starts this very command, by absolute paths: assistants have another PATH and directory."""
    script = shutil.which("memgpt", path=str(Path(sys.executable).parent))
    return [script] if script else [sys.executable, "-m", "memgpt"]


def _environment(options: Settings) -> dict[str, str]:
    """Return the variables that make another process work on the same memory."""
    libpq = {name: value for name, value in os.environ.items() if name.startswith("PG") and value}
    return environment_of(options) | (libpq if not options.uses_embedded_server else {})


def _environment_of_bridge(options: Settings) -> dict[str, str]:
    """Return the variable with the key of the service; one to fill in where there is none."""
    return {KEY: options.api_key.get_secret_value() if options.api_key else "memgpt_..."}
