"""The language of a text, from the text alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memgpt.database.languages import CONFIGURATIONS, PLAIN, configurations, detected


@pytest.mark.parametrize(
    ("text", "configuration"),
    [
        ("When did Melanie find the keys of her car?", "english"),
        ("Ich mag Kaffee am liebsten schwarz.", "german"),
        ("Je préfère travailler le matin.", "french"),
        ("Mi hermana vive en una casa pequeña.", "spanish"),
        ("Minha irmã não gosta de viajar de avião.", "portuguese"),
        ("Mia sorella abita in una casa piccola.", "italian"),
        ("Mijn zus woont in een klein huis aan het water.", "dutch"),
        ("Min syster bor i ett litet hus vid sjön.", "swedish"),
        ("Kız kardeşim küçük bir evde yaşıyor.", "turkish"),
        ("Моя сестра живёт в маленьком доме.", "russian"),
        ("Η αδελφή μου μένει σε ένα μικρό σπίτι.", "greek"),
        ("أختي تعيش في بيت صغير", "arabic"),
        ("मेरी बहन एक छोटे घर में रहती है।", "hindi"),
        ("Moja siostra mieszka w małym domu.", PLAIN),
        ("Моя сестра живе у маленькому будинку.", PLAIN),
        ("我妹妹住在一个小房子里。", PLAIN),
        ("妹は小さな家に住んでいます。", PLAIN),
        ("น้องสาวของฉันอาศัยอยู่ในบ้านหลังเล็ก", PLAIN),
        ("내 여동생은 작은 집에 산다.", PLAIN),
        *(
            (text, None)
            for text in ("", " ", "12:30", "😀", "Anna", "likes jazz", "Anna lives in Ulm", "alpha beta gamma")
        ),
    ],
)
def test_a_text_tells_its_language_or_leaves_it_open(text: str, configuration: str | None) -> None:
    assert detected(text) == configuration


def test_what_is_open_is_as_most_others_else_english() -> None:
    german = "Ich mag Kaffee am liebsten schwarz."
    assert configurations([german, "Anna", german]) == ["german"] * 3
    assert configurations(["Anna"]) == ["english"]
    assert configurations(["Anna", german], "danish") == ["danish", "danish"]


@given(st.text(max_size=600))
def test_every_text_has_a_language_that_postgresql_knows(text: str) -> None:
    assert detected(text) in {*CONFIGURATIONS.values(), PLAIN, "greek", "armenian", "tamil", None}
