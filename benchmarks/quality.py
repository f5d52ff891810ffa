"""How good is what search finds, however a question is put, and in which language?

Retrieval only, through the public API, with the settings and weights as they ship, and in the same run plain BM25 over
the same texts as the floor. The shipped weights were learned on some of these conversations, so the figures of such
data are on the high side; ``learn_ranking`` says what is lost with one conversation left out. Data that is absent is
left out, with a line on how to get it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import Any

from benchmarks import beir, chats, fixtures, graph_retrieval, locomo, wording, xquad
from benchmarks.bm25 import BM25, bigrams, stemmed
from memgpt import Memory
from memgpt.config import OFFLINE_MODEL, Settings
from memgpt.models import Kind

HEADER = ("data", "measure", "questions", "search", "BM25", "line", "ms")
DATA = {
    "LOCOMO": "locomo10.json", "BEAM": "beam.json", "MUSIQUE": "musique.json", "TWOWIKI": "2wiki.json",
    "HOTPOT": "hotpot.json", "XQUAD": "xquad", "SCIFACT": "scifact",
}  # fmt: skip
"""Environment variables that name the data, and where it is looked for without them."""
MUSIQUE_ABSENT = """MuSiQue is not at {path}. It is not part of this project (CC BY 4.0). Make one JSON file of it, the
paragraphs of all questions as one corpus:
  {{"passages": [{{"title", "text"}}], "questions": [{{"q", "gold": [places of passages]}}]}}
and give its path: MUSIQUE=musique.json make bench-quality. 2WikiMultihopQA and HotpotQA go into the same form,
as TWOWIKI and HOTPOT."""
MULTI_HOP_ABSENT = "{path} is not there; its form is that of the file of MuSiQue, whose absence tells it"
WORDS = ("as it is", "polite wrapper", "two typos")
DEPTH = 10


@dataclass(frozen=True)
class Asked:
    """A question and the ids that answer it."""

    text: str
    evidence: frozenset[str]


@dataclass(frozen=True)
class Outcome:
    """What was found for a question, best first."""

    evidence: frozenset[str]
    order: Sequence[str]
    seconds: float = 0.0

    def recall(self, depth: int) -> float:
        return len(self.evidence.intersection(self.order[:depth])) / len(self.evidence)


Outcomes = list[Outcome]


@dataclass(frozen=True)
class Run:
    """The database of a run, and the table that it fills."""

    dsn: str
    table: fixtures.Table
    result: fixtures.Result
    every: int
    """Of the questions each so many-th is asked."""

    def add(
        self, data: str, measure: str, depths: Sequence[int], found: Outcomes, floor: Outcomes | None, line: str
    ) -> None:
        figures = [_recall(found, depth) for depth in depths]
        plain = "" if floor is None else _joined(_recall(floor, depth) for depth in depths)
        took = f"{1e3 * median(outcome.seconds for outcome in found):.1f}"
        self.table.rows.append([data, measure, len(found), _joined(figures), plain, line, took])
        self.result.numbers |= {f"{data}, {measure} @{d}": f for d, f in zip(depths, figures, strict=True)}
        print(" | ".join(map(str, self.table.rows[-1])), flush=True)


def main() -> None:
    options = _options()
    result = fixtures.Result("quality", "How good is what search finds, however it is asked?")
    table = result.table("Retrieval with the settings and weights as they ship, in %", *HEADER)
    paths = {name: Path(os.environ.get(name.upper(), DATA[name.upper()])) for name in options.only or PARTS}
    present = {name: path for name, path in paths.items() if path.exists()}
    result.remarks += [PARTS[name][1].format(path=path) for name, path in paths.items() if name not in present]
    if not present:
        sys.exit("\n\n".join(result.remarks))
    with fixtures.own_server() as server:
        dsn = fixtures.database(server, "quality", model=OFFLINE_MODEL, dimensions=256)
        run = Run(dsn, table, result, every=20 if options.tiny else 1)
        for name, path in present.items():
            PARTS[name][0](run, path)
    result.remarks.append(
        "Weights as they ship: what was learned on these very conversations is on the high side. The lines are for "
        "data that nothing was chosen on. BM25: k1 = 0.9, b = 0.3, words stemmed by the language's own configuration."
    )
    measured = [row for row in table.rows if row[4]]
    result.ratios.append(f"{len(measured)} measures of search beside plain BM25 over the same texts")
    result.publish(keep=not (options.tiny or options.only))


def _options() -> argparse.Namespace:
    parser = fixtures.arguments(__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=[*PARTS], help="these data alone; the result is not kept")
    return parser.parse_args()


def locomo_part(run: Run, path: Path) -> None:
    """Turns as messages and as archival memories, questions as they are, wrapped and mistyped."""
    found: dict[str, Outcomes] = {way: [] for way in (*WORDS, "archival")}
    floor: dict[str, Outcomes] = {way: [] for way in WORDS}
    number = 0
    for conversation in locomo.load(path):
        questions = [Asked(q.text, q.evidence) for q in conversation.questions if q.category in locomo.CATEGORIES][
            :: run.every
        ]
        plain = BM25(
            [f"{t.time:%d %B %Y} {t.speaker}: {t.text}" for t in conversation.turns], stemmed(run.dsn, "english")
        )
        ids = [turn.id for turn in conversation.turns]
        with Memory(conversation.name, dsn=run.dsn) as memory:
            memory.messages.append_many(conversation.messages())
            memory.remember_many(
                {
                    "text": f"{turn.speaker}: {turn.text}",
                    "created_at": turn.time,
                    "metadata": {"dia_id": turn.id, "session": turn.session},
                }
                for turn in conversation.turns
            )
            for way, asked in _ways(questions, number).items():
                found[way] += _ask(memory, asked, "message", "dia_id")
                floor[way] += _floor(plain, asked, ids)
            found["archival"] += _ask(memory, questions, "archival", "dia_id")
        number += len(questions)
    lines = dict(zip(WORDS, ("77 / 84", "within 1.5 of it", "within 2 of it"), strict=True))
    for way in WORDS:
        run.add("LoCoMo, messages", way, (5, 10), found[way], floor[way], lines[way])
    run.add("LoCoMo, archival memories", WORDS[0], (5, 10), found["archival"], floor[WORDS[0]], "72 / 78")


def _ways(questions: Sequence[Asked], number: int) -> dict[str, list[Asked]]:
    """The questions in each wording; ``number`` is that of the first."""
    forms = dict(zip(WORDS, (lambda text, _: text, wording.polite, wording.mistyped), strict=True))
    return {
        way: [Asked(form(q.text, n), q.evidence) for n, q in enumerate(questions, start=number)]
        for way, form in forms.items()
    }


def beam_part(run: Run, path: Path) -> None:
    """Facts, preferences and standing instructions in chats with long replies; what ``context()`` carries of those."""
    found: dict[str, Outcomes] = {"fact": [], "preference": [], "context": []}
    floor: dict[str, Outcomes] = {"fact": [], "preference": []}
    for chat in chats.load(path):
        plain = BM25([message["content"] for message in chat.messages], stemmed(run.dsn, "english"))
        ids = [message["metadata"]["turn"] for message in chat.messages]
        with Memory(chat.name, dsn=run.dsn) as memory:
            places = {m.id: m.metadata["turn"] for m in memory.messages.append_many(chat.messages)}
            for kind in floor:
                asked = [Asked(q.text, q.evidence) for q in chat.questions if q.kind == kind][:: run.every]
                found[kind] += _ask(memory, asked, "message", "turn")
                floor[kind] += _floor(plain, asked, ids)
                if kind == "preference":
                    found["context"] += _carried(memory, asked, places)
    run.add("chats with long replies", "facts", (5, 10), found["fact"], floor["fact"], "60 / 70")
    run.add(
        "chats with long replies", "preferences and instructions", (10,), found["preference"], floor["preference"], "30"
    )
    run.add("chats with long replies", "the same in context()", (1000,), found["context"], None, "60")


def _carried(memory: Memory, asked: Sequence[Asked], places: Mapping[int, str]) -> Outcomes:
    """What a prompt holds of the evidence, beside the latest messages."""
    outcomes = []
    for question in asked:
        begun = time.perf_counter()
        items = memory.context(question.text, recent=0).items
        took = time.perf_counter() - begun
        turns = [places[item.id] for item in items if item.part == "message"]
        outcomes.append(Outcome(question.evidence, turns, took))
    return outcomes


def multi_hop_part(name: str, line: str, run: Run, path: Path) -> None:
    """Questions whose answer needs several passages, with and without the graph arm."""
    data = json.loads(path.read_text("utf-8"))
    asked = [Asked(q["q"], frozenset(map(str, q["gold"]))) for q in data["questions"]][:: run.every]
    texts = [f"{passage['title']}\n{passage['text']}" for passage in data["passages"]]
    floor = _floor(BM25(texts, stemmed(run.dsn, "english")), asked, [*map(str, range(len(texts)))])
    with Memory(f"passages of {name}", dsn=run.dsn) as memory:
        graph_retrieval.store(memory, data["passages"], "archival")
        memory.graph.link()
        for measure, graph, wanted in (("without the graph arm", False, ""), ("with the graph arm", True, line)):
            found = _ask(memory, asked, "archival", "n", graph=graph)
            run.add(name, measure, (2, 5), found, floor, wanted)


def scifact_part(run: Run, path: Path) -> None:
    """Claims, and the abstracts that speak for or against them: nDCG@10."""
    collection = beir.load(path)
    questions = collection.questions[:: run.every]
    asked = [Asked(text, frozenset(relevant)) for text, relevant in questions]
    floor = _floor(BM25([*collection.texts.values()], stemmed(run.dsn, "english")), asked, [*collection.texts])
    with Memory("abstracts", dsn=run.dsn) as memory:
        memory.remember_many({"text": text, "metadata": {"id": id}} for id, text in collection.texts.items())
        found = _ask(memory, asked, "archival", "id")
    gains, plain = (
        fmean(beir.ndcg(outcome.order, relevant) for outcome, (_, relevant) in zip(outcomes, questions, strict=True))
        for outcomes in (found, floor)
    )
    took = f"{1e3 * median(outcome.seconds for outcome in found):.1f}"
    row = [
        "SciFact, archival memories",
        "nDCG@10",
        len(asked),
        f"{100 * gains:.1f}",
        f"{100 * plain:.1f}",
        "70.4",
        took,
    ]
    run.table.rows.append(row)
    run.result.numbers["SciFact, nDCG@10"] = 100 * gains
    print(" | ".join(map(str, row)), flush=True)


def xquad_part(run: Run, path: Path) -> None:
    """Each language in a memory of its own, by default and with its own configuration, and all in one memory."""
    languages = xquad.load(path)
    floors: dict[str, Outcomes] = {}
    for language, paragraphs in languages.items():
        configuration = xquad.CONFIGURATIONS[language]
        asked = [Asked(text, frozenset([f"{language} {n}"])) for text, n in paragraphs.questions][:: run.every]
        terms = bigrams if configuration == "simple" else stemmed(run.dsn, configuration)
        ids = [f"{language} {n}" for n in range(len(paragraphs.texts))]
        floors[language] = _floor(BM25(paragraphs.texts, terms), asked, ids)
        own = Settings(language=configuration)
        for measure, options in (("default setting", None), (f"language = {configuration}", own)):
            agent = f"{language}, {measure}"
            found = _in_one_memory(run, agent, {language: paragraphs}, {language: asked}, options)[language]
            run.add(f"XQuAD {language}", measure, (1,), found, floors[language], _LINES.get(language, ""))
    everything = {
        language: [Asked(text, frozenset([f"{language} {n}"])) for text, n in paragraphs.questions][:: run.every]
        for language, paragraphs in languages.items()
    }
    for language, found in _in_one_memory(run, "all languages", languages, everything, None).items():
        run.add(f"XQuAD {language}", "beside the other languages", (1,), found, floors[language], "")


_LINES = {"zh": "within 3 of BM25", "ru": "as with its own"}


def _in_one_memory(
    run: Run,
    agent: str,
    languages: Mapping[str, xquad.Paragraphs],
    asked: Mapping[str, Sequence[Asked]],
    options: Settings | None,
) -> dict[str, Outcomes]:
    with Memory(agent, dsn=run.dsn, options=options) as memory:
        for language, paragraphs in languages.items():
            memory.remember_many(
                {"text": text, "metadata": {"place": f"{language} {n}"}} for n, text in enumerate(paragraphs.texts)
            )
        return {language: _ask(memory, questions, "archival", "place") for language, questions in asked.items()}


def _ask(memory: Memory, asked: Sequence[Asked], kind: Kind, id_in: str, **how: Any) -> Outcomes:
    outcomes = []
    for question in asked:
        begun = time.perf_counter()
        hits = memory.search(question.text, kinds=[kind], limit=DEPTH, **how)
        took = time.perf_counter() - begun
        outcomes.append(Outcome(question.evidence, [str(hit.metadata[id_in]) for hit in hits], took))
    return outcomes


def _floor(plain: BM25, asked: Sequence[Asked], ids: Sequence[str]) -> Outcomes:
    orders = plain.best([question.text for question in asked], DEPTH)
    return [
        Outcome(question.evidence, [ids[place] for place in order])
        for question, order in zip(asked, orders, strict=True)
    ]


def _recall(outcomes: Outcomes, depth: int) -> float:
    return 100 * fmean(outcome.recall(depth) for outcome in outcomes)


def _joined(figures: Any) -> str:
    return " / ".join(f"{figure:.1f}" for figure in figures)


PARTS: dict[str, tuple[Callable[[Run, Path], None], str]] = {
    "locomo": (locomo_part, locomo.ABSENT),
    "beam": (beam_part, chats.ABSENT),
    "musique": (partial(multi_hop_part, "MuSiQue", ""), MUSIQUE_ABSENT),
    "twowiki": (partial(multi_hop_part, "2WikiMultihopQA", "76 @5"), MULTI_HOP_ABSENT),
    "hotpot": (partial(multi_hop_part, "HotpotQA", "84 @5"), MULTI_HOP_ABSENT),
    "xquad": (xquad_part, xquad.ABSENT),
    "scifact": (scifact_part, beir.ABSENT),
}

if __name__ == "__main__":
    main()
