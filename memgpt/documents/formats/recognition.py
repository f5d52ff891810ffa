"""Characters on scanned pages, recognised on this machine by models that come with the package."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

from memgpt.errors import InputError, MissingExtraError

_POINTS: Final = 200
"""Dots an inch: finer ones take longer and are read no better."""
_SAME_LINE: Final = 0.5
"""Share of its height by which a box may be off the line it belongs to."""


def recognise(pdf: bytes, pages: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Yield the text of each of these pages (counted from 0), as a picture of them shows it.

    Raises:
        InputError: a page cannot be drawn.
        MissingExtraError: the extra ``ocr`` is not installed.
    """
    recognised = engine()
    import kreuzberg

    with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
        file.write(pdf)
        file.flush()
        for page in pages:
            try:
                picture = kreuzberg.render_pdf_page(file.name, page, dpi=_POINTS)
            except (kreuzberg.KreuzbergError, RuntimeError, ValueError) as error:
                raise InputError(
                    f"corrupt: page {page + 1} cannot be drawn ({' '.join(str(error).split())[:200]})"
                ) from None
            yield page, _lines(recognised(picture))


@cache
def engine() -> Any:
    """Return the recogniser with its models, loaded once."""
    try:
        from rapidocr import RapidOCR
    except ImportError:
        raise MissingExtraError("rapidocr", "ocr", "recognising the characters of scanned pages") from None
    one_thread = {
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    }
    return RapidOCR(params={"Global.log_level": "error", **one_thread})


def _lines(result: Any) -> str:
    """Return the words in reading order; boxes at the same height are one line."""
    if result.txts is None:
        return ""
    lines: list[tuple[float, float, list[str]]] = []
    for box, words in zip(result.boxes, result.txts, strict=True):
        top, bottom = float(min(box[:, 1])), float(max(box[:, 1]))
        middle = (top + bottom) / 2
        if lines and abs(lines[-1][0] - middle) < _SAME_LINE * min(lines[-1][1], bottom - top):
            lines[-1][2].append(words)
        else:
            lines.append((middle, bottom - top, [words]))
    return "\n".join(" ".join(words) for _, _, words in lines)
