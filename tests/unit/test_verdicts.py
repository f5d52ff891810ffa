"""What the benchmarks say follows from what they measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import compare, fixtures
from benchmarks.fixtures import Ratio
from benchmarks.verdicts import Measured, average, embedding_cost, round_trips, verdict


def measured(value: float, low: float, high: float, *recall: float) -> Measured:
    return Measured("vector search", "everybody", (30, 50), Ratio(value, low, high), *recall)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (measured(0.6, 0.55, 0.65), "**holds**, 40% less time (35 to 45; claimed 30-50%)"),
        (measured(0.8, 0.75, 0.85), "**holds in part**, 20% less time (15 to 25; claimed 30-50%)"),
        (measured(0.8, 0.65, 0.9), "(the claim lies within the interval)"),
        (measured(0.97, 0.9, 1.05), "**does not hold**, no difference beyond the noise"),
        (measured(1.5, 1.3, 1.7), "**does not hold**, it takes 50% more time"),
        (measured(0.5, 0.4, 0.6, 0.30, 0.20), "for the same answers: 50% less time (40 to 60; claimed 30-50%), but"),
        (measured(0.5, 0.4, 0.6, 0.30, 0.29), "**holds**, 50% less time"),
    ],
)
def test_a_verdict_follows_from_time_and_recall(given: Measured, says: str) -> None:
    assert says in verdict(given)


def test_a_verdict_names_what_the_planner_reads_and_our_own_statement() -> None:
    ratio = Ratio(0.5, 0.4, 0.6)
    given = Measured("vector search", "all", (30, 30), ratio, 0.9, 0.9, "a_idx", "b_idx", Ratio(0.1, 0.1, 0.1), 1.0)
    assert "reads b_idx instead of a_idx" in verdict(given)
    assert "takes 90% less time (90 to 90) than the one before 002 at recall 1.00, where that found 0.90" in verdict(
        given
    )


def test_an_average_leaves_out_what_finds_less() -> None:
    same, worse = measured(0.6, 0.55, 0.65), measured(0.1, 0.1, 0.1, 0.9, 0.1)
    assert "**holds**, 40% less over the 1 questions" in average([same, worse])
    assert "**does not hold**, -10% less" in average([measured(1.1, 1, 1.2)])


def test_other_claims() -> None:
    assert "80 become 1, 99% fewer" in round_trips(80)
    assert "**holds in part**" in round_trips(5)
    assert "80% less for the same tokens" in embedding_cost()


def test_an_interval_holds_the_ratio_and_grows_with_noise() -> None:
    random = np.random.default_rng(1)
    steady = fixtures.ratio(2 + random.uniform(0, 0.01, 50), 1 + random.uniform(0, 0.01, 50))  # type: ignore[arg-type]
    noisy = fixtures.ratio(2 + random.exponential(1, 50), 1 + random.exponential(1, 50))  # type: ignore[arg-type]
    assert steady.low < 2.0 < steady.high
    assert steady.high - steady.low < noisy.high - noisy.low
    assert steady.low < steady.value * 0.95  # two runs differ, however steady each is


def test_slow_spells_widen_an_interval() -> None:
    """Neighbouring rounds are not independent: a machine that is slow for a while is slow for several of them."""
    spells = np.repeat([1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0], 10)
    shuffled = np.random.default_rng(3).permutation(spells)
    ones = np.ones(100)
    assert fixtures.ratio(spells, ones).high >= fixtures.ratio(shuffled, ones).high  # type: ignore[arg-type]


def write(folder: Path, **ratios: tuple[float, float, float]) -> Path:
    folder.mkdir()
    found = {name: dict(zip(("value", "low", "high"), ratio, strict=True)) for name, ratio in ratios.items()}
    (folder / "search.json").write_text(json.dumps({"name": "search", "compared": found}))
    return folder


def test_two_runs_agree_where_their_intervals_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = write(tmp_path / "one", same=(1.0, 0.9, 1.1), moved=(1.0, 0.9, 1.1))
    other = write(tmp_path / "other", same=(1.15, 1.05, 1.2), moved=(2.0, 1.9, 2.1))
    monkeypatch.setattr("sys.argv", ["compare", str(one), str(other)])
    with pytest.raises(SystemExit) as ended:
        compare.main()
    assert ended.value.code == 1
    assert "1 of 2 ratios agree" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["compare", str(one), str(one)])
    compare.main()
