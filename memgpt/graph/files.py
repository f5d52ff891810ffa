"""Graphs in files, read: GraphML, node-link JSON, N-Triples, and facts in CSV or JSONL."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from memgpt.documents.formats import encodings
from memgpt.documents.formats.reading import attribute, local, parse_xml
from memgpt.errors import InputError
from memgpt.models import Json

FORMS: Final = (".graphml", ".json", ".nt", ".csv", ".tsv", ".jsonl")

KEYS: Final = (
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
    "properties",
)
"""What a fact may have, in the order of the columns where a file does not name them."""

_SAME: Final = {"subject": "source", "predicate": "type", "object": "target"}
"""Other names of columns."""

_DELIMITERS: Final = ",;\t|"
_SAMPLE: Final = 50
"""Rows that tell the delimiter."""

_TERM: Final = r"""<([^<>"{}|^`\s]*)>|(_:[^\s<>"]+)"""
_TRIPLE: Final = re.compile(
    rf"""\A(?:{_TERM})\s*<([^<>"{{}}|^`\s]*)>\s*"""
    rf"""(?:{_TERM}|"((?:[^"\\\r\n]|\\.)*)"(?:@[A-Za-z0-9-]+|\^\^<[^<>\s]*>)?)\s*\.\s*(?:\#.*)?"""
)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([tbnrf\"'\\]))")
_ESCAPED: Final = {"t": "\t", "b": "\b", "n": "\n", "r": "\r", "f": "\f"}

_NAMES: Final = {"label", "prefLabel", "name"}
_ALIASES: Final = {"altLabel", "alternateName"}
_DESCRIPTIONS: Final = {"comment", "description"}


class Bad(NamedTuple):
    """A line that cannot be read."""

    reason: str


class Row(NamedTuple):
    """A fact of a file, and where it stands."""

    place: int
    values: Json | Bad


@dataclass(slots=True)
class GraphFile:
    """Content of a graph file."""

    unit: str
    """What the places of its rows count: line, edge."""
    rows: Iterable[Row]
    nodes: dict[str, Json] = field(default_factory=dict)
    """Entities by their keys in the file, which are the ends of its facts; without any, the ends are names."""


def read(path: Path) -> GraphFile:
    """Read a file, by the ending of its name.

    Raises:
        InputError: it is of no known form, cannot be read, or is damaged as a whole; lines that are bad are rows.
    """
    form = path.suffix.lower()
    if form not in FORMS:
        raise InputError(f"{path.name!r} is not one of {', '.join(FORMS)}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    try:
        if form == ".graphml":
            return _graphml(data)
        if form in (".csv", ".tsv"):
            return GraphFile("line", _table(encodings.decode(data).text))
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path.name} is not UTF-8") from None
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from None
    if form == ".json":
        return _node_link(path.name, text)
    return _n_triples(text) if form == ".nt" else GraphFile("line", _json_lines(text))


def _graphml(data: bytes) -> GraphFile:
    root = parse_xml(data)
    names = {attribute(e, "id"): attribute(e, "attr.name") for e in root.iter() if local(e) == "key"}

    def values(element: Any) -> Json:
        return {names.get(attribute(e, "key"), ""): e.text or "" for e in element if local(e) == "data"}

    elements = [e for e in root.iter() if local(e) in ("node", "edge")]
    nodes = {attribute(e, "id"): values(e) for e in elements if local(e) == "node"}
    edges = [
        {**values(e), "source": attribute(e, "source"), "target": attribute(e, "target")}
        for e in elements
        if local(e) == "edge"
    ]
    return GraphFile("edge", [Row(n, edge) for n, edge in enumerate(edges, 1)], _named(nodes))


def _node_link(name: str, text: str) -> GraphFile:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"{name} is not JSON") from None
    edges = value.get("edges", value.get("links")) if isinstance(value, dict) else None
    nodes = value.get("nodes") if isinstance(value, dict) else None
    if not isinstance(edges, list) or not isinstance(nodes, list):
        raise InputError(f"{name} is not node-link JSON: it has no lists of nodes and edges")
    things = {_key(node["id"]): node for node in nodes if isinstance(node, dict) and "id" in node}
    rows = [
        Row(n, {**edge, "source": _key(edge.get("source")), "target": _key(edge.get("target"))})
        if isinstance(edge, dict)
        else Row(n, Bad("not a JSON object"))
        for n, edge in enumerate(edges, 1)
    ]
    return GraphFile("edge", rows, _named(things))


def _key(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _named(nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, Json]:
    """Nodes with names: where another program wrote none, their ids or labels are."""
    return {id: {**node, "name": node.get("name") or node.get("label") or id} for id, node in nodes.items()}


def _n_triples(text: str) -> GraphFile:
    nodes: dict[str, Json] = {}
    rows: list[Row] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _TRIPLE.fullmatch(line.strip())
        if match is None:
            rows.append(Row(number, Bad("not a triple of N-Triples")))
            continue
        subject, blank, predicate, iri, other, literal = match.groups()
        source, kind = _unescaped(subject) if blank is None else blank, _local(_unescaped(predicate))
        about = nodes.setdefault(source, {})
        if literal is not None and _describe(about, kind, _unescaped(literal)):
            continue
        target = _unescaped(iri) if iri is not None else other
        if kind == "type" and target is not None and "type" not in about:
            about["type"] = _local(target)
            continue
        if target is None:
            target = f'"{literal}"'
            nodes.setdefault(target, {"name": _unescaped(literal)})
        nodes.setdefault(target, {})
        rows.append(Row(number, {"source": source, "type": kind, "target": target}))
    return GraphFile("line", rows, _called(nodes))


def _describe(about: Json, kind: str, text: str) -> bool:
    """Take what a literal says of a thing's name; False where it is a fact like others."""
    if kind in _NAMES and "name" not in about:
        about["name"] = text
    elif kind in _DESCRIPTIONS and "description" not in about:
        about["description"] = text
    elif kind in _NAMES or kind in _ALIASES:
        about.setdefault("aliases", []).append(text)
    else:
        return False
    return True


def _called(nodes: Mapping[str, Json]) -> dict[str, Json]:
    """Name the things of N-Triples by the ends of their IRIs, or the IRIs where two would be called the same."""
    names = {
        key: about.get("name") or (key if key.startswith("_:") else _local(key).replace("_", " "))
        for key, about in nodes.items()
    }
    shared = Counter((name.lower(), str(nodes[key].get("type"))) for key, name in names.items() if key[0] != '"')
    called = {}
    for key, about in nodes.items():
        twice = key[0] != '"' and shared[names[key].lower(), str(about.get("type"))] > 1
        aliases = [*about.get("aliases", ()), *([] if key[0] == '"' or key.startswith("_:") or twice else [key])]
        called[key] = {**about, "name": key if twice else names[key], "aliases": aliases}
    return called


def _local(iri: str) -> str:
    end = iri.rstrip("/#")
    return unquote(end[max(end.rfind("/"), end.rfind("#")) + 1 :]) or iri


def _unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        code = match[1] or match[2]
        if code is None:
            return _ESCAPED.get(match[3], match[3])
        return chr(int(code, 16)) if int(code, 16) < 0x110000 else match[0]

    return _ESCAPE.sub(character, text)


def _json_lines(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield Row(number, Bad(f"not JSON: {getattr(error, 'msg', 'nested too deep')}"))
                continue
            yield Row(number, value if isinstance(value, dict) else Bad("not a JSON object"))


def _table(text: str) -> Iterator[Row]:
    """Yield the rows of a table, below a header or, if the first row is none, with the columns in their usual order."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    columns: Sequence[str] = ()
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(line, Bad(str(error)))
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if not columns:
            columns = _header(cells)
            if columns:
                continue
            columns = KEYS
        if any(cell.strip() for cell in cells[len(columns) :]):
            yield Row(line, Bad(f"{len(cells)} cells, but {len(columns)} columns"))
            continue
        yield Row(line, dict(zip(columns, cells, strict=False)))


def _header(cells: Sequence[str]) -> Sequence[str]:
    names = [_SAME.get(cell.strip().lower(), cell.strip().lower()) for cell in cells]
    return names if len({"source", "type", "target"}.intersection(names)) > 1 else ()


def _delimiter(text: str) -> str:
    """Return the character that cuts the most rows into the same three or more cells."""

    def regular(delimiter: str) -> int:
        try:
            rows = islice(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), _SAMPLE)
            return max(Counter(len(row) for row in rows if len(row) > 2).values(), default=0)
        except csv.Error:
            return 0

    return max(_DELIMITERS, key=regular)
