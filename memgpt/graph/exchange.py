"""The graph on its way to other programs and back: networkx, GraphML, node-link JSON, and triples in CSV or JSONL."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from memgpt.errors import InputError, MissingExtraError
from memgpt.graph import Graph
from memgpt.models import Entity, Relationship

if TYPE_CHECKING:
    import networkx

PAGE: Final = 1000

_KEYS: Final = (
    *(
        "source",
        "type",
        "target",
        "fact",
        "weight",
        "valid_from",
        "valid_to",
        "source_type",
        "target_type",
        "functional",
    ),
)


def to_networkx(graph: Graph) -> networkx.MultiDiGraph[int]:
    """Every entity and every statement we believe now; nodes are entity ids, edge keys relationship ids."""
    nx = _networkx()
    found = nx.MultiDiGraph()
    for entity in _entities(graph):
        found.add_node(entity.id, **_plain(name=entity.name, type=entity.type, aliases=entity.aliases,
                                           description=entity.description, properties=entity.properties))  # fmt: skip
    for r in _relationships(graph):
        found.add_edge(r.source_id, r.target_id, key=r.id, **_plain(
            type=r.type, fact=r.fact, weight=r.weight, properties=r.properties, valid_from=r.valid_from,
            valid_to=r.valid_to, recorded_at=r.recorded_at))  # fmt: skip
    return found


def export(graph: Graph, path: Path | str) -> dict[str, int]:
    """Write GraphML (``.graphml``) or node-link JSON (``.json``); how many entities and relationships it holds."""
    nx, target = _networkx(), Path(path)
    form = target.suffix.lower()
    if form not in (".graphml", ".json"):
        raise InputError(f"{target.name!r} is neither .graphml nor .json: these are the two forms")
    found = to_networkx(graph)
    if form == ".json":
        text = json.dumps(nx.node_link_data(found, edges="edges"), ensure_ascii=False, indent=1)
        target.write_text(text, encoding="utf-8")
    else:
        nx.write_graphml(found, target, encoding="utf-8")
    return {"entities": found.number_of_nodes(), "relationships": found.number_of_edges()}


def import_triples(graph: Graph, path: Path | str) -> int:
    """Assert every line of a CSV file (with a header) or JSONL file, all or none; how many lines it were.

    The columns are ``source``, ``type``, ``target`` and, if given, ``fact``, ``weight``, ``valid_from``, ``valid_to``,
    ``source_type``, ``target_type`` and ``functional``. What is believed already is left as it is.

    Raises:
        InputError: names the first bad line; nothing was written.
    """
    file = Path(path)
    done = 0
    with graph.together():
        for number, row in _lines(file):
            try:
                _assert(graph, row)
            except InputError as error:
                raise InputError(f"{file.name}, line {number}: {error}") from error
            done += 1
    return done


def communities(graph: Graph, *, resolution: float = 1.0, seed: int = 0) -> list[list[str]]:
    """Groups of entities that are more connected with each other than with the rest (Louvain), the largest first."""
    nx = _networkx()
    found = to_networkx(graph)
    names = found.nodes(data="name")
    groups = nx.community.louvain_communities(nx.Graph(found), resolution=resolution, seed=seed)
    return [sorted(names[id] for id in group) for group in sorted(groups, key=lambda g: (-len(g), min(g)))]


def centrality(graph: Graph, *, limit: int = 20) -> list[tuple[str, float]]:
    """The entities most ways between others lead through (betweenness; from a sample of 200 where there are more)."""
    nx = _networkx()
    found = to_networkx(graph)
    names = found.nodes(data="name")
    share = nx.betweenness_centrality(nx.Graph(found), k=min(len(found), 200) or None, seed=0)
    order = sorted(share.items(), key=lambda pair: (-pair[1], pair[0]))
    return [(names[id], score) for id, score in order[:limit]]


def _networkx() -> Any:
    try:
        import networkx as found
    except ImportError:
        raise MissingExtraError("networkx", "graph", "exporting and analysing the graph") from None
    return found


def _entities(graph: Graph) -> Iterator[Entity]:
    after: Entity | None = None
    while page := graph.list(limit=PAGE, after=after):
        yield from page
        after = page[-1]


def _relationships(graph: Graph) -> Iterator[Relationship]:
    after: Relationship | None = None
    while page := graph.relationships(limit=PAGE, after=after):
        yield from page
        after = page[-1]


def _plain(**values: Any) -> dict[str, Any]:
    """Values GraphML can hold: texts and numbers; what is absent is left out."""
    kept = {}
    for key, value in values.items():
        if value is not None and value != "" and value != [] and value != {}:
            plain = isinstance(value, (str, int, float))
            kept[key] = value if plain else value.isoformat() if hasattr(value, "isoformat") else json.dumps(value)
    return kept


def _lines(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    form = file.suffix.lower()
    if form not in (".csv", ".jsonl"):
        raise InputError(f"{file.name!r} is neither .csv nor .jsonl")
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            yield from enumerate(csv.DictReader(lines), start=2) if form == ".csv" else _json_lines(file, lines)
    except UnicodeDecodeError:
        raise InputError(f"{file.name} is not UTF-8") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from None


def _json_lines(file: Path, lines: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                value = json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(f"{file.name}, line {number}: not JSON: {error.msg}") from None
            if not isinstance(value, dict):
                raise InputError(f"{file.name}, line {number}: not a JSON object")
            yield number, value


def _assert(graph: Graph, row: Mapping[str, Any]) -> None:
    if unknown := [key for key in row if key not in _KEYS]:
        raise InputError(f"unknown column {unknown[0]!r}; the columns are {', '.join(_KEYS)}")
    given = {key: value for key, value in row.items() if value not in (None, "")}
    for end in ("source", "target"):
        if f"{end}_type" in given:
            given[end] = graph.add_entity(given.get(end, ""), given.pop(f"{end}_type"))
    try:
        weight = float(given.pop("weight")) if "weight" in given else None
    except (TypeError, ValueError):
        raise InputError(f"weight is not a number: {row['weight']!r}") from None
    functional = {"true": True, "1": True, "false": False, "0": False}.get(str(given.pop("functional", "")).lower())
    ends = [given.pop(key, "") for key in ("source", "type", "target")]
    graph.relate(*ends, weight=weight, functional=functional, **given)
