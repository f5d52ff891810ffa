"""``memgpt mcp``: the MCP server over standard input and output, for desktop assistants."""

from __future__ import annotations

import json
import shutil
import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from memgpt.cli import output
from memgpt.cli.options import Dsn, Schema, chosen
from memgpt.errors import MissingExtraError
from memgpt.service import Service


class ModeName(StrEnum):
    """Which tools the MCP server has."""

    memory = "memory"
    reference = "reference"


app = typer.Typer(add_completion=False)


@app.command()
def mcp(
    agent: Annotated[str | None, typer.Option("--agent", help="Whose memory; else MEMGPT_AGENT.")] = None,
    mode: Annotated[
        ModeName, typer.Option("--mode", help="memory: tools for everything; reference: those of the reference server.")
    ] = ModeName.memory,
    config: Annotated[bool, typer.Option("--config", help="Print the settings of the known clients.")] = False,
    dsn: Dsn = None,
    schema: Schema = None,
) -> None:
    """Serve the memory to an assistant on this machine, over stdio."""
    if config:
        _show_config(agent, mode)
        return
    try:
        from memgpt.mcp import create_server
    except ImportError as error:
        raise MissingExtraError(error.name or "mcp", "mcp", "`memgpt mcp`") from error
    service = Service(chosen(dsn, schema), keys_required=False)
    try:
        service.check()
        create_server(service, mode=mode.value, agent=agent).run("stdio")
    finally:
        service.close()


def _show_config(agent: str | None, mode: ModeName) -> None:
    command = shutil.which("memgpt") or sys.argv[0]
    arguments = ["mcp", *(["--agent", agent] if agent else []), *(["--mode", mode.value] if mode != "memory" else [])]
    stdio = {"command": command, "args": arguments}
    servers = {"mcpServers": {"memgpt": stdio}}
    snippets: list[tuple[str, dict[str, Any] | str]] = [
        ("Claude Desktop: claude_desktop_config.json (Settings, Developer, Edit Config)", servers),
        ("Claude Code", f"claude mcp add memgpt -- {command} {' '.join(arguments)}"),
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
                        "url": f"http://127.0.0.1:8283/mcp?agent={agent or 'default'}",
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
