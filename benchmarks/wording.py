"""Other ways to put a question: with the courtesies of a chat around it, and with slips of the keyboard in it."""

from __future__ import annotations

import random
import re

POLITE = (
    "Hi! Could you please remind me: {} Thanks a lot!",
    "Hello there, I hope you are doing well. I was wondering, {} Thank you so much in advance!",
    "Please search the memory for this: {}",
    "Hey, quick question for you: {} Cheers!",
    "Can you look through our past conversations and tell me {} I would really appreciate it.",
    "Sorry to bother you again. Do you happen to remember {} Many thanks for your help!",
)
SLIPS = 2
_WORD = re.compile(r"[a-z]{5,}", re.IGNORECASE)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def polite(question: str, number: int) -> str:
    """Wrap a question; ``number`` chooses how."""
    return POLITE[number % len(POLITE)].format(question)


def mistyped(question: str, number: int) -> str:
    """Put one slip into each of two words of five letters or more, the first letter left as it is."""
    chance = random.Random(number)
    places = [found.span() for found in _WORD.finditer(question)]
    for start, end in sorted(chance.sample(places, min(SLIPS, len(places))), reverse=True):
        question = question[:start] + _slip(question[start:end], chance) + question[end:]
    return question


def _slip(word: str, chance: random.Random) -> str:
    place = chance.randrange(1, len(word) - 1)
    before, letter, after = word[:place], word[place], word[place + 1 :]
    other = chance.choice([other for other in _LETTERS if other != letter.lower()])
    forms = (
        before + after,
        before + other + after,
        before + letter + other + after,
        before + after[0] + letter + after[1:],
    )
    return chance.choice([form for form in forms if form != word])
