"""Texts that clients of OpenAI's protocol send as token ids, as LangChain does unless told otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from memgpt.errors import InputError, MissingExtraError

_DEFAULT: Final = "cl100k_base"
"""The encoding of OpenAI's embedding models."""


def texts(value: str | Sequence[Any], model: str) -> list[str]:
    """Return the texts of a request's ``input``: a text, texts, the token ids of a text, or those of several.

    The client made the ids with the tokenizer of the ``model`` it asks for, whatever model answers.

    Raises:
        InputError: an id is none of the tokenizer's, or the input is neither.
        MissingExtraError: there are token ids, and the extra ``token-ids`` is not installed.
    """
    if isinstance(value, str):
        return [value]
    if all(isinstance(each, str) for each in value):
        return [*value]
    sequences = [value] if all(_is_id(each) for each in value) else value
    if not all(isinstance(each, list) and each and all(map(_is_id, each)) for each in sequences):
        raise InputError("input must be a text, a list of texts, or the token ids of one text or several")
    encoding = _encoding(model)
    try:
        return [encoding.decode(ids) for ids in sequences]
    except KeyError:
        raise InputError(f"input has a token id that the tokenizer {encoding.name} does not have") from None


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _encoding(model: str) -> Any:
    try:
        import bpe_openai
    except ImportError:
        raise MissingExtraError("bpe-openai", "token-ids", "reading token ids") from None
    try:
        name = bpe_openai.encoding_name_for_model(model)
    except KeyError:
        name = _DEFAULT
    return bpe_openai.get_encoding(name)
