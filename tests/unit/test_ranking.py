"""Ranking: what each feature means, and that it never breaks on what people store."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memgpt.embeddings.static import StaticWords
from memgpt.errors import ConfigurationError
from memgpt.search.ranking import (
    FEATURES,
    Candidate,
    Model,
    SoftMatcher,
    Statistics,
    analyse,
    packaged_model,
    rank,
    spelling,
)
from memgpt.search.ranking.dates import days_from
from memgpt.search.ranking.features import features
from memgpt.search.ranking.languages.language import language
from memgpt.search.ranking.model import Calibration, packaged_calibration, pick
from memgpt.search.ranking.words import Lexicon

MATCHER = SoftMatcher(StaticWords())
NO_TERMS = Statistics(terms=(), document_frequencies=(), total=10, mean_length=8.0)


def turn(number: int, content: str, **given: object) -> Candidate:
    given = {"length": len(content.split()), "frequencies": (), **given}
    return Candidate(id=number, content=content, **given)  # type: ignore[arg-type]


def order(question: str, rows: list[Candidate], statistics: Statistics = NO_TERMS, **options: object) -> list[int]:
    found = rank(analyse(question), rows, statistics, limit=len(rows) or 1, **options)  # type: ignore[arg-type]
    return [hit.candidate.id for hit in found]


def test_the_rarer_word_decides() -> None:
    statistics = Statistics(terms=("rare", "common"), document_frequencies=(1, 60), total=100, mean_length=5.0)
    rows = [turn(1, "common", frequencies=(0, 1)), turn(2, "rare", frequencies=(1, 0))]
    assert order("rare common", rows, statistics) == [2, 1]


def test_the_named_speaker_comes_first() -> None:
    rows = [turn(1, "I love skiing", name="Ben Ray"), turn(2, "I love skiing", name="Ann Lee")]
    assert order("What does Ann love?", rows) == [2, 1]
    assert order("What does Ben love?", rows) == [1, 2]


def test_two_named_speakers_are_equal() -> None:
    rows = [turn(1, "I love skiing", name="Ben"), turn(2, "I love skiing", name="Ann")]
    scores = {hit.score for hit in rank(analyse("What do Ann and Ben love?"), rows, NO_TERMS)}
    assert len(scores) == 1


def test_a_chat_without_names_knows_whose_words_are_asked_for() -> None:
    rows = [turn(1, "a tent", role="assistant"), turn(2, "a tent", role="user")]
    assert order("What did I buy?", rows) == [2, 1]
    assert order("What did you recommend to me?", rows) == [1, 2]


def test_the_date_asked_about_comes_first() -> None:
    may, july = datetime(2023, 5, 9, tzinfo=UTC), datetime(2023, 7, 2, tzinfo=UTC)
    rows = [turn(1, "a walk", created_at=july), turn(2, "a walk", created_at=may)]
    assert order("What happened on 8 May 2023?", rows) == [2, 1]
    assert order("What happened in July?", rows) == [1, 2]
    query = analyse("What happened two months ago?").seen_from(datetime(2023, 7, 9, tzinfo=UTC))
    assert [hit.candidate.id for hit in rank(query, rows, NO_TERMS)] == [2, 1]


def test_an_answer_follows_its_question() -> None:
    statistics = Statistics(terms=("guitar",), document_frequencies=(1,), total=50, mean_length=5.0)
    talk = {"session": "s", "session_frequencies": (1,)}
    rows = [
        turn(1, "Do you own a guitar?", frequencies=(1,), before=9, after=2, **talk),
        turn(2, "An old Martin, from dad", frequencies=(0,), before=1, after=3, **talk),
        turn(3, "Lovely, my car is red", frequencies=(0,), before=2, **talk),
        turn(4, "An old Martin, from dad", frequencies=(0,), session="t", session_frequencies=(0,), before=8),
    ]
    found = order("guitar", rows, statistics, matcher=MATCHER)
    assert found.index(2) < found.index(4)
    assert found[-1] == 4


def test_a_long_reply_after_a_question_is_not_its_answer_and_lends_nothing() -> None:
    statistics = Statistics(terms=("deadlin",), document_frequencies=(3,), total=50, mean_length=10.0)
    talk = {"session": "s", "session_frequencies": (3,)}
    reply = "Here is a plan for your deadline: " + " ".join(f"step{n} does thing{n}" for n in range(150))
    rows = [
        turn(1, "Can you plan my deadline?", frequencies=(1,), role="user", after=2, **talk),
        turn(2, reply, frequencies=(1,), role="assistant", before=1, after=3, **talk),
        turn(3, "Great, thanks a lot", frequencies=(0,), role="user", before=2, after=4, **talk),
        turn(4, "My deadline is on the ninth of May", frequencies=(1,), role="user", before=3, **talk),
    ]
    found = order("When is my deadline?", rows, statistics, matcher=MATCHER)
    assert found[0] == 4
    assert found.index(2) > found.index(1)


def test_advice_brings_what_the_user_prefers_and_questions_about_the_past_do_not() -> None:
    rows = [
        turn(1, "I wrote the letter at the lake", role="user", of_the_user=True),
        turn(2, "I prefer writing in the mornings", role="user", of_the_user=True),
        turn(3, "I prefer writing in the mornings", role="assistant"),
    ]
    assert order("How should I plan my letter?", rows, matcher=MATCHER)[0] == 2
    assert order("Where did I say I wrote the letter?", rows, matcher=MATCHER)[0] == 1


@pytest.mark.parametrize(
    "text",
    [
        "I prefer tea", "Always show dates as ISO.", "Thanks. Please never use emojis", "From now on, answer in German",
        "please call me Sam", "Don't use tables", "I'd rather have short answers", "I’d like you to cite sources",
        "The user prefers window seats",
    ],
)  # fmt: skip
def test_a_standing_instruction_is_recognised(text: str) -> None:
    assert language("en").standing.search(text)


@pytest.mark.parametrize(
    "text",
    [
        "I have always been there", "Never mind", "Don't give up, buddy!", "Always here to help", "He called me late",
        "Never saw this coming", "We don't use that road", "Do you prefer tea?", "I never knew",
    ],
)  # fmt: skip
def test_what_only_sounds_like_a_standing_instruction_is_none(text: str) -> None:
    assert not language("en").standing.search(text)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("What did we do yesterday?", date(2024, 5, 14), date(2024, 5, 14)),
        ("the day before yesterday", date(2024, 5, 13), date(2024, 5, 13)),
        ("What happened last year?", date(2023, 1, 1), date(2023, 12, 31)),
        ("Whom did I meet last Monday?", date(2024, 5, 13), date(2024, 5, 13)),
        ("Whom did I meet on Wednesday?", date(2024, 5, 8), date(2024, 5, 8)),
        ("What came up in the last 3 days?", date(2024, 5, 12), date(2024, 5, 15)),
        ("What did I buy two weeks ago?", date(2024, 4, 28), date(2024, 5, 4)),
        ("what I said last week", date(2024, 5, 3), date(2024, 5, 11)),
    ],
)
def test_relative_days_are_seen_from_the_day_of_the_question(text: str, first: date, last: date) -> None:
    query = analyse(text)
    assert query.seen_from(datetime(2024, 5, 15, 12, tzinfo=UTC)).span == (first, last)
    assert query.span is None
    assert query.names_days


def test_a_number_of_years_beyond_the_calendar_names_no_day() -> None:
    assert analyse("9999 years ago").seen_from(datetime(2024, 5, 15, tzinfo=UTC)).span is None


def test_confidence_compares_between_questions_and_is_unknown_without_a_measure() -> None:
    rows = [turn(1, "Our dog Rex sleeps in the kitchen"), turn(2, "The train to Graz was late")]

    def best(question: str, matcher: SoftMatcher | None = MATCHER) -> float | None:
        return rank(analyse(question), rows, NO_TERMS, matcher=matcher)[0].confidence

    asked = ["where does the dog sleep?", "a puppy in the kitchen", "the price of helicopter fuel"]
    answered, near, unknown = (best(question) or 0.0 for question in asked)
    assert min(answered, near) > packaged_calibration().weak > unknown > 0
    assert best("dog", matcher=None) is None
    assert best("где собака?") is None
    assert best("4711") is not None


def test_a_calibration_of_other_features_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="learn it again"):
        Calibration({"cover": 1.0}, bias=0.0, weak=0.3)


def test_words_of_like_meaning_match() -> None:
    rows = [turn(1, "The bus was late again"), turn(2, "We adopted a puppy")]
    assert order("dog", rows, matcher=MATCHER) == [2, 1]


def test_the_kind_of_answer_counts() -> None:
    rows = [turn(1, "We went to swim there"), turn(2, "We went to swim yesterday")]
    assert order("When did they swim?", rows)[0] == 2
    assert order("Where did they swim?", rows)[0] == 1


def test_lists_are_spread_over_sessions_and_facts_are_not() -> None:
    model = Model(dict.fromkeys(FEATURES, 0.0) | {"cosine": 1.0}, several=0.5, single=-0.5)
    rows = [
        turn(1, "a", session="s", before=8, cosine=0.9),
        turn(2, "b", session="s", before=8, cosine=0.7),
        turn(3, "c", session="t", before=8, cosine=0.71),
        turn(4, "d", session="u", before=8, cosine=0.0),
    ]
    assert order("Which hobbies has she tried?", rows, model=model)[:2] == [1, 3]
    assert order("Which hobby is that?", rows, model=model)[:2] == [1, 2]


@given(
    st.lists(st.tuples(st.sampled_from([None, "s", "t", "u"]), st.integers(-8, 8), st.booleans()), max_size=30),
    st.integers(1, 40),
    st.sampled_from([-0.5, 0.0, 0.25, 2.0]),
)
def test_each_pick_is_the_best_after_those_before_it(
    given: list[tuple[str | None, int, bool]], limit: int, crowding: float
) -> None:
    rows = [turn(100 - i, "a", session=session, candidate=candidate) for i, (session, _, candidate) in enumerate(given)]
    left = {i: score / 4 for i, (_, score, candidate) in enumerate(given) if candidate}
    expected: list[tuple[int, float]] = []
    while left and len(expected) < limit:
        best = min(left, key=lambda i: (-left[i], rows[i].id))
        score = left.pop(best)
        expected.append((best, min([score, *(before for _, before in expected[-1:])])))
        for i in left:
            if rows[i].session is not None and rows[i].session == rows[best].session:
                left[i] -= crowding
    assert pick(rows, np.array([score / 4 for _, score, _ in given]), limit, crowding) == expected


def test_neighbours_lend_context_but_are_not_returned() -> None:
    rows = [turn(1, "one"), turn(2, "two", candidate=False)]
    assert order("two", rows, matcher=MATCHER) == [1]


def test_scores_fall_and_contributions_explain_each() -> None:
    rows = [turn(i, f"note {i}", cosine=i / 10, session="s", before=0) for i in range(1, 8)]
    found = rank(analyse("note"), rows, NO_TERMS)
    assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)
    assert "same_session" in found[1].contributions
    for hit in found:
        assert sum(hit.contributions.values()) == pytest.approx(hit.score)


def test_nothing_in_nothing_out() -> None:
    assert rank(analyse("anything"), [], NO_TERMS) == []
    assert rank(analyse("anything"), [turn(1, "x")], NO_TERMS, limit=0) == []


def test_a_model_of_other_features_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="learn_ranking"):
        Model({"bm25": 1.0, "horoscope": 1.0})


def test_the_packaged_model_never_punishes_a_match() -> None:
    assert all(weight >= 0 for name, weight in packaged_model().weights.items() if name not in ("long", "question"))


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("on 8 May, 2023", (date(2023, 5, 8), date(2023, 5, 8))),
        ("on May 8th 2023", (date(2023, 5, 8), date(2023, 5, 8))),
        ("2023-05-08", (date(2023, 5, 8), date(2023, 5, 8))),
        ("in February 2024", (date(2024, 2, 1), date(2024, 2, 29))),
        ("in 2022", (date(2022, 1, 1), date(2022, 12, 31))),
        ("in Sept", (date(1, 9, 1), date(1, 9, 30))),
        ("on 31 February 2023", (date(2023, 2, 1), date(2023, 2, 28))),  # no such day: the month
        ("who may come", None),
        ("ask March about it", None),
        ("in 12 minutes", None),
    ],
)
def test_dates_in_questions(text: str, span: tuple[date, date] | None) -> None:
    assert analyse(text).span == span


def test_a_date_without_year_is_the_nearest() -> None:
    december = (date(1, 12, 1), date(1, 12, 31))
    assert days_from(december, date(2024, 1, 2)) == 2
    assert days_from(december, date(2024, 11, 29)) == -2
    assert days_from((date(2023, 5, 8),) * 2, date(2023, 5, 8)) == 0


texts = st.text(max_size=60) | st.sampled_from(
    ["¿Cuándo fue?", "他什么时候去的？", "متى ذهب؟", "\x1e\x00", "\ud800", "2023"]
)
maybe_names = st.none() | st.sampled_from(["", "Ann", "李雷", "user"])


@st.composite
def searches(draw: st.DrawFn) -> tuple[list[Candidate], Statistics]:
    terms = draw(st.integers(0, 3))
    counts = st.lists(st.integers(0, 5), min_size=terms, max_size=terms)
    rows = [
        Candidate(
            id=number,
            content=draw(texts),
            frequencies=draw(counts),
            length=draw(st.integers(0, 50)),
            created_at=draw(st.none() | st.datetimes(timezones=st.just(UTC))),
            name=draw(maybe_names),
            session=draw(st.none() | st.sampled_from("st")),
            session_frequencies=draw(st.just(()) | counts),
            in_name=[draw(st.booleans()) for _ in range(terms)] if draw(st.booleans()) else (),
            before=draw(st.none() | st.integers(0, 6)),
            after=draw(st.none() | st.integers(0, 6)),
            cosine=draw(st.none() | st.floats(-1, 1)),
        )
        for number in range(draw(st.integers(1, 6)))
    ]
    frequencies = draw(counts)
    return rows, Statistics(
        terms=[f"t{i}" for i in range(terms)],
        document_frequencies=frequencies,
        total=draw(st.integers(0, 9)),
        mean_length=draw(st.floats(0, 50)),
    )


@settings(deadline=None)
@given(question=texts, search=searches(), soft=st.booleans(), seed=st.randoms(use_true_random=False))
def test_any_input_gives_finite_features_whatever_the_order_of_rows(
    question: str, search: tuple[list[Candidate], Statistics], soft: bool, seed: object
) -> None:
    rows, statistics = search
    matcher = MATCHER if soft else None
    query = analyse(question).seen_from(datetime(2024, 2, 29, tzinfo=UTC))
    matrix = features(query, rows, statistics, matcher)
    assert matrix.shape == (len(rows), len(FEATURES))
    assert np.isfinite(matrix).all()
    mixed = list(range(len(rows)))
    seed.shuffle(mixed)  # type: ignore[attr-defined]
    again = features(query, [rows[i] for i in mixed], statistics, matcher)
    np.testing.assert_allclose(again, matrix[mixed], atol=1e-5)


@settings(deadline=None)
@given(search=searches())
def test_without_conversation_its_features_have_no_say(search: tuple[list[Candidate], Statistics]) -> None:
    rows, statistics = search
    plain = [
        replace(
            row, name=None, session=None, session_frequencies=(), in_name=(), before=None, after=None, created_at=None
        )
        for row in rows
    ]
    matrix = features(analyse("When was Ann there in May?"), plain, statistics, MATCHER)
    for name in ("bm25_before1", "bm25_before2", "session_bm25", "session_coverage", "answers", "speaker", "opening"):
        assert not matrix[:, FEATURES.index(name)].any()
    assert not matrix[:, FEATURES.index("date")].any()


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("黑豹队的防守丢了多少分？", True),
        ("パンサーズの守備は何点取られたか", True),
        ("แพนเทอร์สเสียกี่แต้ม", True),
        ("iPhone 15 的价格是多少", True),
        ("What does 谢谢 mean in Chinese?", False),
        ("Сколько очков?", False),
        ("몇 점을 내주었나요?", False),
        ("2019-05-01?", False),
    ],
)
def test_scripts_without_blanks(question: str, expected: bool) -> None:
    assert analyse(question).unspaced is expected


@pytest.mark.parametrize("question", ["黑豹队的防守", "パンサーズの守備", "แพนเทอร์ส"])
def test_without_blanks_pairs_of_characters_say_what_word_vectors_cannot(question: str) -> None:
    terms = tuple(question[n : n + 2] for n in range(len(question) - 1))
    statistics = Statistics(terms=terms, document_frequencies=(3,) * len(terms), total=50, mean_length=8.0)
    half = [int(n < len(terms) / 2) for n in range(len(terms))]
    rows = [
        turn(1, f"{question[: len(question) // 2]}，他", frequencies=half, length=8, session="s", after=2),
        turn(2, question, frequencies=(1,) * len(terms), length=8, session="s", before=1),
    ]
    matrix = features(analyse(question), rows, statistics, MATCHER)
    columns = {name: matrix[:, FEATURES.index(name)] for name in ("bm25", "soft", "soft3", "idf_cosine")}
    assert columns["soft"].tolist() == columns["bm25"].tolist()
    assert 0.3 < columns["soft"][0] < columns["soft"][1] == 1.0
    assert columns["soft3"].tolist() == [1.0, 1.0]
    assert not columns["idf_cosine"].any()


def test_only_words_in_small_pieces_may_be_mistyped() -> None:
    lexicon = Lexicon(StaticWords())
    assert spelling.suspects("Is participating in the commumity fun?", ["particip", "commum"], lexicon) == ["commumity"]
    assert spelling.suspects("Is participating fun?", ["particip"], lexicon) == []


def test_of_words_at_one_edit_the_plainest_is_meant() -> None:
    """Not "motivity", whose stem more rows have."""
    statistics = Statistics(terms=("aotiv",), document_frequencies=(0,), total=9, mean_length=5.0)
    near = [["motivity"], ["activity"]]
    lexicon = Lexicon(StaticWords())
    assert spelling.respelled("the aotivity", statistics, lexicon, lambda _: near) == "the activity"
