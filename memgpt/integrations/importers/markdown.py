"""Folders of Markdown, such as Obsidian's vaults or ``MEMORY.md``: texts are documents, links are facts."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from memgpt.documents.formats import encodings
from memgpt.errors import InputError
from memgpt.integrations.importers.import_items import ImportItem, fact
from memgpt.models import Json

SUFFIXES: Final = (".md", ".markdown")

_FRONT: Final = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_CODE: Final = re.compile(r"^(```|~~~).*?(?:^\1|\Z)|`[^`\n]*`", re.DOTALL | re.MULTILINE)
_WIKI: Final = re.compile(r"\[\[([^\[\]|#^\n]{1,255})(?:[|#^][^\[\]\n]{0,1000})?\]\]")
_LINK: Final = re.compile(
    r"(?<!!)\[[^\[\]\n]{0,1000}\]\(<?([^()<>\s#]{1,1000}\.(?:md|markdown))(?:#[^()\s]{0,1000})?>?\)"
)


def files(path: Path) -> list[Path]:
    """Return the notes of a folder, without what lies in hidden ones, or the file itself."""
    if path.is_file():
        return [path] if path.suffix.lower() in SUFFIXES else []
    return sorted(
        file
        for file in path.rglob("*")
        if file.suffix.lower() in SUFFIXES
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )


def read(path: Path) -> Iterator[ImportItem]:
    """Yield a document and an entity for each note, then a fact for each link from one note to another."""
    root = path if path.is_dir() else path.parent
    notes, links = files(path), []
    folder = _Notes(root, notes)
    for file in notes:
        id = file.relative_to(root).as_posix()
        try:
            text = encodings.decode(file.read_bytes()).text
        except (OSError, InputError) as error:
            yield ImportItem("document", id, problem=str(error))
            continue
        front = front_matter(text)
        if not text.strip():
            yield ImportItem("document", id, problem="it is empty")
            continue
        yield ImportItem("document", id, {"content": file, "metadata": front})
        yield ImportItem("entity", id, _entity(folder.names[file], id, front))
        links += [fact(folder.names[file], "links_to", target) for target in folder.linked(text, file)]
    yield from {link.id: link for link in links}.values()


def front_matter(text: str) -> Json:
    """Return the properties at the head of a note: texts, and lists of texts, as Obsidian has them."""
    match = _FRONT.match(text)
    properties: Json = {}
    last = ""
    for line in match[1].splitlines() if match else ():
        name, colon, value = line.partition(":")
        if line.lstrip().startswith("- ") and last:
            before = properties.get(last)
            properties[last] = [*(before if isinstance(before, list) else []), _scalar(line.lstrip()[2:])]
        elif colon and name[:1].strip() not in ("", "#", "-") and value[:1] in ("", " ", "\t"):
            last, value = name.strip(), value.strip()
            listed = value.startswith("[") and value.endswith("]") and not value.startswith("[[")
            cells = (_scalar(cell) for cell in value[1:-1].split(","))
            properties[last] = [*filter(None, cells)] if listed else _scalar(value)
    return properties


def _scalar(value: str) -> str:
    value = value.strip()
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _entity(name: str, id: str, front: Mapping[str, Any]) -> Json:
    aliases = front.get("aliases", front.get("alias", []))
    titles = [front["title"]] if isinstance(front.get("title"), str) else []
    more = aliases if isinstance(aliases, list) else [aliases]
    return {"name": name, "type": "note", "aliases": [each for each in [*more, *titles] if each.strip()],
            "properties": {"path": id}}  # fmt: skip


class _Notes:
    """The notes of a folder, found by their names, paths and files."""

    def __init__(self, root: Path, notes: Sequence[Path]) -> None:
        stems = Counter(file.stem.lower() for file in notes)
        paths = {file: file.relative_to(root).with_suffix("").as_posix() for file in notes}
        self.names = {file: file.stem if stems[file.stem.lower()] == 1 else paths[file] for file in notes}
        """What each is called: by its file, or by its path where two files have one name."""
        self._by_file = {file.resolve(): name for file, name in self.names.items()}
        self._by_name = {file.stem.lower(): name for file, name in self.names.items()}
        self._by_name |= {paths[file].lower(): name for file, name in self.names.items()}

    def linked(self, text: str, file: Path) -> Iterator[str]:
        """Yield the notes a text links to: by name or path in brackets, or by file; of one that is not there, the
        name."""
        prose = _CODE.sub(" ", text)
        for match in _WIKI.finditer(prose):
            target = match[1].strip().removesuffix(".md")
            last = target.rpartition("/")[2]
            if target:
                yield self._by_name.get(target.lower()) or self._by_name.get(last.lower()) or last or target
        for match in _LINK.finditer(prose):
            if "://" not in match[1]:
                there = Path(os.path.normpath(file.resolve().parent / unquote(match[1]).replace("\0", "")))
                yield self._by_file.get(there) or there.stem
