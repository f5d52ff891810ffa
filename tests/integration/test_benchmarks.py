"""Every benchmark can be loaded, and those that are quick run at their smallest size and end with their ratios."""

from __future__ import annotations

import importlib
import json
import pkgutil
from pathlib import Path

import pytest

import benchmarks

MODULES = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
QUICK = ("agent", "agents", "claims", "graph", "isolation", "search", "writes")


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_can_be_loaded(name: str) -> None:
    importlib.import_module(f"benchmarks.{name}")


@pytest.mark.parametrize("name", QUICK)
def test_a_benchmark_runs_at_its_smallest_size(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    monkeypatch.setattr("sys.argv", [name, "--tiny"])
    module.main()
    printed = capsys.readouterr().out
    assert "| --- |" in printed
    assert printed.splitlines()[-1].endswith(".")


def test_the_cost_of_a_search_is_measured_beside_another_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks import cost

    turns = [{"dia_id": f"D1:{n}", "speaker": "Ann", "text": f"The mill has {n} wheels"} for n in range(9)]
    talk = {"session_1": turns, "session_1_date_time": "1:56 pm on 8 May, 2023"}
    asked = [{"question": f"How many wheels has mill {n}?", "category": 1, "evidence": ["D1:1"]} for n in range(5)]
    (tmp_path / "locomo.json").write_text(json.dumps([{"sample_id": "one", "conversation": talk, "qa": asked}]))
    monkeypatch.setenv("LOCOMO", str(tmp_path / "locomo.json"))
    monkeypatch.setattr("sys.argv", ["cost", "--tiny", "--against", str(tmp_path)])
    with pytest.raises(SystemExit, match="AGAINST names no checkout"):
        cost.main()
    root = Path(__file__).parents[2]
    monkeypatch.setattr("sys.argv", ["cost", "--tiny", "--against", str(root), "--shapes", "messages"])
    cost.main()
    assert "| 100 | messages | " in capsys.readouterr().out


def test_quality_is_measured_on_the_data_that_is_there_beside_plain_bm25(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks import quality

    monkeypatch.setattr("sys.argv", ["quality", "--tiny"])
    for name in quality.DATA:
        monkeypatch.setenv(name, str(tmp_path / name))
    with pytest.raises(SystemExit, match=r"LoCoMo is not at(.|\n)*XQuAD is not at"):
        quality.main()
    (tmp_path / "XQUAD").mkdir()
    texts = {"Der Hund schläft auf dem Sofa.": "Wo schlafen die Hunde?", "Der Zug fährt nach Wien.": "Wohin der Zug?"}
    paragraphs = [{"context": text, "qas": [{"question": question}]} for text, question in texts.items()]
    (tmp_path / "XQUAD" / "xquad.de.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}), "utf-8")
    turn = {
        "id": "1",
        "batch": 1,
        "n": 0,
        "role": "user",
        "when": "2024-03-15",
        "text": "I always write in the morning",
    }
    asked = [{"question": "When do I write?", "kind": kind, "evidence": ["1"]} for kind in ("fact", "preference")]
    (tmp_path / "BEAM").write_text(json.dumps([{"turns": [turn], "questions": asked}]), "utf-8")
    (tmp_path / "SCIFACT" / "qrels").mkdir(parents=True)
    abstracts = [
        {"_id": "7", "title": "Cats", "text": "They purr."},
        {"_id": "8", "title": "Dogs", "text": "They bark."},
    ]
    (tmp_path / "SCIFACT" / "corpus.jsonl").write_text("\n".join(map(json.dumps, abstracts)), "utf-8")
    (tmp_path / "SCIFACT" / "queries.jsonl").write_text(json.dumps({"_id": "1", "text": "Cats purr."}), "utf-8")
    (tmp_path / "SCIFACT" / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\t7\t1\n", "utf-8")
    passages = [{"title": "Ulm", "text": "Ulm is a city."}, {"title": "Graz", "text": "Graz is a city too."}]
    hops = {"passages": passages, "questions": [{"q": "Is Graz a city?", "gold": [1]}]}
    (tmp_path / "HOTPOT").write_text(json.dumps(hops), "utf-8")
    quality.main()
    printed = capsys.readouterr().out
    assert "| SciFact, archival memories | nDCG@10 | 1 | 100.0 | 100.0 | 70.4 |" in printed
    assert "| HotpotQA | with the graph arm | 1 | 100.0 / 100.0 | 100.0 / 100.0 | 84 @5 |" in printed
    assert "| XQuAD de | language = german | 1 | 100.0 | 100.0 |" in printed
    assert "| chats with long replies | facts | 1 | 100.0 / 100.0 | 100.0 / 100.0 |" in printed
    assert "MuSiQue is not at" in printed


def test_the_floor_of_the_peers_stores_and_finds_over_the_endpoint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks import peers

    monkeypatch.setattr("sys.argv", ["peers", "--tiny", "--only", "psycopg"])
    peers.main()
    printed = capsys.readouterr().out
    assert "has not got through" not in printed
    assert "| bare psycopg | 1.000 | 1.000 | 0 | 0 / 0 |" in printed


def test_a_peer_that_cannot_be_installed_is_reported_as_that(tmp_path: Path) -> None:
    from benchmarks.running import Failed, Peer, environment

    with pytest.raises(Failed, match="could not be installed"):
        environment(Peer("nobody", ("no such requirement",)), tmp_path)
