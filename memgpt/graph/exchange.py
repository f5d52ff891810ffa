"""The graph on its way to other programs and back: networkx, GraphML, node-link JSON, N-Triples, CSV and JSONL."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from memgpt import validation
from memgpt.errors import InputError, MissingExtraError
from memgpt.graph import UNTYPED, Graph, files
from memgpt.models import Entity, Fact, Json
from memgpt.scope.batches import Problem

if TYPE_CHECKING:
    import networkx

PAGE: Final = 1000

GraphOnError = Literal["fail", "skip"]

_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_networkx(graph: Graph) -> networkx.MultiDiGraph[int]:
    """Return every entity and every fact known now; nodes are entity ids, edge keys fact ids."""
    nx = _networkx()
    multigraph = nx.MultiDiGraph()
    for entity in _entities(graph):
        multigraph.add_node(entity.id, **_plain(name=entity.name, type=entity.type, aliases=entity.aliases,
                                           description=entity.description, properties=entity.properties))  # fmt: skip
    for r in _facts(graph):
        multigraph.add_edge(r.source_id, r.target_id, key=r.id, **_plain(
            type=r.type, fact=r.fact, weight=r.weight, properties=r.properties, valid_from=r.valid_from,
            valid_to=r.valid_to, recorded_at=r.recorded_at))  # fmt: skip
    return multigraph


def export(graph: Graph, path: Path | str) -> dict[str, int]:
    """Write GraphML (``.graphml``) or node-link JSON (``.json``); how many entities and facts it holds."""
    nx, target = _networkx(), Path(path)
    form = target.suffix.lower()
    if form not in (".graphml", ".json"):
        raise InputError(f"{target.name!r} is neither .graphml nor .json: these are the two forms")
    multigraph = to_networkx(graph)
    if form == ".json":
        text = json.dumps(nx.node_link_data(multigraph, edges="edges"), ensure_ascii=False, indent=1)
        target.write_text(text, encoding="utf-8")
    else:
        target.write_text(_graphml(nx, multigraph), encoding="utf-8", newline="")
    return {"entities": multigraph.number_of_nodes(), "facts": multigraph.number_of_edges()}


def import_triples(
    graph: Graph,
    path: Path | str,
    *,
    on_error: GraphOnError = "fail",
    on_problem: Callable[[Problem], None] | None = None,
) -> int:
    """Add every fact of a file and return how many they were.

    It reads what :func:`export` writes (``.graphml``, ``.json``), N-Triples (``.nt``), and ``.csv``, ``.tsv`` or
    ``.jsonl`` with the columns ``source``, ``type``, ``target`` and, if known, ``fact``, ``weight``, ``valid_from``,
    ``valid_to``, ``source_type``, ``target_type``, ``functional`` and ``properties``. A table's cells are separated by
    commas, semicolons, tabs or bars, and its header may be absent. Ends are names, numbers and years too. What is
    known already learns what is new, as by ``Graph.add_fact``.

    Args:
        on_error: "fail" adds all or, if a line is bad, none; "skip" leaves bad lines out.
        on_problem: called for each line that was left out; its ``index`` is the line, or the edge, from 1.

    Raises:
        InputError: names the first bad line; nothing was written.
    """
    validation.choice(on_error, ("fail", "skip"), "on_error")
    file = Path(path)
    content = files.read(file)
    done = 0
    with graph.transaction():
        entities = _add_nodes(graph, content.nodes)
        for place, values in content.rows:
            try:
                with graph.transaction():
                    _add_fact(graph, values, entities)
                done += 1
            except InputError as error:
                if on_error == "fail":
                    raise InputError(f"{file.name}, {content.unit} {place}: {error}") from error
                if on_problem is not None:
                    on_problem(Problem(place, "", f"{content.unit} {place}: {error}", "skipped"))
    return done


def communities(graph: Graph, *, resolution: float = 1.0, seed: int = 0) -> list[list[str]]:
    """Return groups of entities that are more connected with each other than with the rest (Louvain), the largest
    first."""
    nx = _networkx()
    multigraph = to_networkx(graph)
    names = multigraph.nodes(data="name")
    groups = nx.community.louvain_communities(nx.Graph(multigraph), resolution=resolution, seed=seed)
    return [sorted(names[id] for id in group) for group in sorted(groups, key=lambda g: (-len(g), min(g)))]


def centrality(graph: Graph, *, limit: int = 20) -> list[tuple[str, float]]:
    """Return the entities that most ways between others lead through (betweenness; from a sample of 200 if there are
    more)."""
    nx = _networkx()
    multigraph = to_networkx(graph)
    names = multigraph.nodes(data="name")
    share = nx.betweenness_centrality(nx.Graph(multigraph), k=min(len(multigraph), 200) or None, seed=0)
    order = sorted(share.items(), key=lambda pair: (-pair[1], pair[0]))
    return [(names[id], score) for id, score in order[:limit]]


def _graphml(nx: Any, multigraph: Any) -> str:
    """GraphML, in which every character comes back as it was.

    Raises:
        InputError: a text has a character that XML cannot hold.
    """
    text = str(nx.readwrite.graphml.GraphMLWriter(graph=multigraph, encoding="utf-8", prettyprint=True))
    if bad := _NO_XML.search(text):
        raise InputError(f"a text has U+{ord(bad[0]):04X}, which GraphML cannot hold: export it as .json")
    return text.replace("\r", "&#13;")


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


def _facts(graph: Graph) -> Iterator[Fact]:
    after: Fact | None = None
    while page := graph.facts(limit=PAGE, after=after):
        yield from page
        after = page[-1]


def _plain(**values: Any) -> dict[str, Any]:
    """Values GraphML can hold: texts and numbers; what is absent is left out."""
    written = {}
    for key, value in values.items():
        if value is not None and value != "" and value != [] and value != {}:
            plain = isinstance(value, (str, int, float))
            written[key] = value if plain else value.isoformat() if hasattr(value, "isoformat") else json.dumps(value)
    return written


def _add_nodes(graph: Graph, nodes: Mapping[str, Json]) -> dict[str, Entity | InputError]:
    """Add the entities of a file's nodes. All names come before the first alias, which may be another node's name."""
    entities: dict[str, Entity | InputError] = {}
    for key, node in nodes.items():
        try:
            entities[key] = graph.add_entity(_name(node["name"], "name"), _name(node.get("type") or UNTYPED, "type"))
        except InputError as error:
            entities[key] = error
    for key, node in nodes.items():
        entity = entities[key]
        if isinstance(entity, Entity):
            try:
                entities[key] = graph.add_entity(
                    entity.name,
                    entity.type,
                    aliases=_parsed(node.get("aliases"), list, "aliases"),
                    description=node.get("description") or "",
                    properties=_parsed(node.get("properties"), dict, "properties"),
                )
            except InputError as error:
                entities[key] = error
    return entities


def _add_fact(graph: Graph, row: Json | files.Bad, entities: Mapping[str, Entity | InputError]) -> None:
    if isinstance(row, files.Bad):
        raise InputError(row.reason)
    values = {key: value for key, value in row.items() if value not in (None, "")}
    if entities:  # a graph, of which other programs keep more about an edge
        values = {key: value for key, value in values.items() if key in files.KEYS}
    elif unknown := [key for key in row if key not in files.KEYS]:
        raise InputError(f"unknown column {unknown[0]!r}; the columns are {', '.join(files.KEYS)}")
    ends = [_end(graph, values, entities, end) for end in ("source", "target")]
    try:
        weight = float(values["weight"]) if "weight" in values else None
    except (TypeError, ValueError):
        raise InputError(f"weight is not a number: {row['weight']!r}") from None
    graph.add_fact(
        ends[0],
        _name(values.get("type", ""), "type"),
        ends[1],
        fact=_name(values["fact"], "fact") if "fact" in values else None,
        weight=weight,
        valid_from=_day(values.get("valid_from")),
        valid_to=_day(values.get("valid_to")),
        properties=_parsed(values.get("properties"), dict, "properties"),
        functional=_FUNCTIONAL.get(str(values.get("functional", "")).lower()),
    )


_FUNCTIONAL: Final = {"true": True, "1": True, "false": False, "0": False}


def _end(graph: Graph, values: Json, entities: Mapping[str, Entity | InputError], end: str) -> Entity | str:
    """Return what a fact is from or about: an entity of the file's, or of a name and, if it is said, a type."""
    name = values.get(end, "")
    if entities:
        if name not in entities:
            raise InputError(f"its {end} {str(name)[:60]!r} is not a node of the file")
        entity = entities[name]
        if isinstance(entity, InputError):
            raise InputError(f"its {end}: {entity}") from entity
        return entity
    name = _name(name, end)
    return graph.add_entity(name, _name(values[f"{end}_type"], "type")) if f"{end}_type" in values else name


def _name(value: Any, what: str) -> str:
    """Return a name; a number, such as a year, as it is written."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return validation.text(value, what)


def _day(value: Any) -> Any:
    """Return a time, or the beginning of a year."""
    year = str(value)
    return f"{year}-01-01" if len(year) == 4 and year.isdecimal() else value


def _parsed(value: Any, kind: type[Any], what: str) -> Any:
    """Aliases and properties as they are, or as :func:`_plain` writes them."""
    if isinstance(value, str) and value:
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise InputError(f"{what} are not JSON: {value[:60]!r}") from None
    if value in (None, ""):
        return kind()
    if not isinstance(value, kind):
        raise InputError(f"{what} must be a JSON {'array' if kind is list else 'object'}, not {type(value).__name__}")
    return value
