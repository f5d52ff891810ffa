"""What ranking knows of each language, beside English: its days, kinds of question and answer, and cues."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from memgpt.search.ranking.languages.language import codes, language
from memgpt.search.ranking.query import analyse

NOW = datetime(2026, 5, 13)  # a Wednesday
YESTERDAY, LAST_WEEK = (date(2026, 5, 12),) * 2, (date(2026, 5, 1), date(2026, 5, 9))
LAST_YEAR, MARCH = (date(2025, 1, 1), date(2025, 12, 31)), (date(2023, 3, 5),) * 2
TUESDAY, TWO_WEEKS = (date(2026, 5, 12),) * 2, (date(2026, 4, 26), date(2026, 5, 2))
DAYS = {
    "de": (
        "Wo war ich gestern?", "Was haben wir letzte Woche gekocht?", "Wo war sie letztes Jahr?",
        "Was war am 5. März 2023?", "Wer war am Dienstag da?", "Wen habe ich vor zwei Wochen getroffen?",
    ),
    "fr": (
        "Où étais-je hier ?", "Qu'avons-nous fait la semaine dernière ?", "Où était-elle l'année dernière ?",
        "Que s'est-il passé le 5 mars 2023 ?", "Qui est venu mardi dernier ?", "Qui ai-je vu il y a deux semaines ?",
    ),
    "es": (
        "¿Dónde estuve ayer?", "¿Qué hicimos la semana pasada?", "¿Dónde estuvo ella el año pasado?",
        "¿Qué pasó el 5 de marzo de 2023?", "¿Quién vino el martes pasado?", "¿A quién vi hace dos semanas?",
    ),
    "pt": (
        "Onde eu estava ontem?", "O que fizemos na semana passada?", "Onde ela estava no ano passado?",
        "O que aconteceu em 5 de março de 2023?", "Quem veio na terça-feira?", "Quem eu vi há duas semanas?",
    ),
    "it": (
        "Dove ero ieri?", "Che cosa abbiamo fatto la settimana scorsa?", "Dove era lei l'anno scorso?",
        "Che cosa è successo il 5 marzo 2023?", "Chi è venuto martedì scorso?", "Chi ho visto due settimane fa?",
    ),
    "nl": (
        "Waar was ik gisteren?", "Wat hebben we vorige week gedaan?", "Waar was zij vorig jaar?",
        "Wat gebeurde er op 5 maart 2023?", "Wie was er op dinsdag?", "Wie heb ik twee weken geleden gezien?",
    ),
    "ru": (
        "Где я был вчера?", "Что мы делали на прошлой неделе?", "Где она была в прошлом году?",
        "Что было 5 марта 2023 года?", "Кто был у нас во вторник?", "Кого я видел две недели назад?",
    ),
    "zh": (
        "我昨天在哪里？", "我们上周做了什么？", "她去年在哪里？",
        "2023年3月5日发生了什么？", "谁周二来了？", "我两周前见了谁？",
    ),
    "ja": (
        "昨日私はどこにいましたか？", "先週私たちは何をしましたか？", "彼女は去年どこにいましたか？",
        "2023年3月5日に何がありましたか？", "火曜日に誰が来ましたか？", "2週間前に誰に会いましたか？",
    ),
}  # fmt: skip
KINDS = {
    "de": ("Wann hat er geheiratet?", "Wie viele Kinder hat sie?", "Wer ist das?", "Wo ist er?", "Warum ist er da?"),
    "fr": ("Quand est-il né ?", "Combien en a-t-elle ?", "Qui est là ?", "Où est la clé ?", "Pourquoi est-il là ?"),
    "es": ("¿Cuándo nació?", "¿Cuántos hijos tiene?", "¿Quién es?", "¿Dónde está la llave?", "¿Por qué está aquí?"),
    "pt": ("Quando ela nasceu?", "Quantos filhos você tem?", "Quem é ela?", "Onde está a chave?", "Por que ele veio?"),
    "it": ("Quando è nato?", "Quanti figli ha lei?", "Chi è lui?", "Dove è la chiave?", "Perché è qui?"),
    "nl": ("Wanneer is hij geboren?", "Hoeveel kinderen heeft ze?", "Wie is dat?", "Waar is het?", "Waarom is hij er?"),
    "ru": ("Когда он родился?", "Сколько у неё детей?", "Кто это?", "Где ключ?", "Почему он здесь?"),
    "zh": ("他什么时候结婚的？", "她有多少个孩子？", "他是谁？", "钥匙在哪里？", "他为什么来？"),
    "ja": ("彼はいつ結婚しましたか？", "子供は何人いますか？", "誰ですか？", "鍵はどこですか？", "なぜ来たのですか？"),
}  # fmt: skip
STANDING = {
    "de": ("Ich arbeite lieber morgens.", "Bitte immer das Datum angeben.", "Ich war gestern immer noch krank."),
    "fr": ("Je préfère écrire le matin.", "Appelle-moi Léa.", "Il pleuvait toujours hier."),
    "es": ("Prefiero escribir por la mañana.", "Siempre muestra las fechas.", "Ayer siempre llovía en la costa."),
    "pt": ("Eu prefiro escrever de manhã.", "Sempre mostre as datas.", "Ontem ainda chovia."),
    "it": ("Preferisco scrivere la mattina.", "Chiamami Leo.", "Ieri pioveva sempre."),
    "nl": ("Ik schrijf liever in de ochtend.", "Noem me Leo.", "Gisteren regende het nog altijd."),
    "ru": ("Я предпочитаю писать утром.", "Называй меня Лео.", "Вчера как всегда шёл дождь."),
    "zh": ("我更喜欢早上写作。", "请叫我小李。", "昨天一直在下雨。"),
    "ja": ("朝に書く方が好きです。", "レオと呼んでください。", "昨日はずっと雨でした。"),
}


def test_these_are_the_languages() -> None:
    assert {*codes()} == {"en", *DAYS}


@pytest.mark.parametrize("code", DAYS)
def test_days_are_understood(code: str) -> None:
    found = [analyse(question).seen_from(NOW) for question in DAYS[code]]
    assert {query.language.code for query in found} == {code}
    assert [query.span for query in found] == [YESTERDAY, LAST_WEEK, LAST_YEAR, MARCH, TUESDAY, TWO_WEEKS]


@pytest.mark.parametrize("code", KINDS)
def test_the_kind_of_answer_is_understood(code: str) -> None:
    found = [analyse(question).seen_from(NOW) for question in KINDS[code]]
    assert [query.language.code for query in found] == [code] * 5
    for query, kind in zip(found, ("when", "how_many", "who", "where", "why"), strict=True):
        assert kind in query.kinds, query.text


@pytest.mark.parametrize("code", STANDING)
def test_preferences_and_standing_instructions_are_recognised(code: str) -> None:
    *standing, said = STANDING[code]
    assert all(language(code).standing.search(text) for text in standing)
    assert not language(code).standing.search(said)
