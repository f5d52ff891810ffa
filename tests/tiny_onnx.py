"""Tiny ONNX models, made byte by byte: nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

WORDS = {"[UNK]": 0, "[CLS]": 1, "cat": 2, "dog": 3, "sun": 4, "query": 5}
TABLE = np.array([[9, 9, 9], [0, 3, 4], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 5]], dtype=np.float32)


def write(folder: Path, *, seeing: bool = False) -> Path:
    """Write a model of six words and three dimensions; in one that is ``seeing``, tokens see each other."""
    tokenizer = Tokenizer(WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "model.onnx").write_bytes(_model(TABLE, seeing=seeing))
    return folder


def _model(table: np.ndarray[tuple[int, ...], np.dtype[np.float32]], *, seeing: bool) -> bytes:
    """ModelProto of Gather(table, input_ids) and, for tokens that see each other, of the sum of that and its mean over
    all tokens; as onnx.proto numbers its fields."""
    tensor = b"".join(_number(1, size) for size in table.shape)
    tensor += _number(2, 1) + _bytes(8, b"table") + _bytes(9, table.tobytes())
    nodes = _node("Gather", ["table", "input_ids"], "states" if seeing else "last_hidden_state")
    if seeing:
        axes = _bytes(5, _bytes(1, b"axes") + _number(8, 1) + _number(20, 7))
        nodes += _node("ReduceMean", ["states"], "mean", axes)
        nodes += _node("Add", ["states", "mean"], "last_hidden_state")
    inputs = b"".join(_bytes(11, _value(name, 7, 2)) for name in (b"input_ids", b"attention_mask"))
    output = _bytes(12, _value(b"last_hidden_state", 1, 3))
    graph = nodes + _bytes(2, b"tiny") + _bytes(5, tensor) + inputs + output
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _bytes(1, b"") + _number(2, 13))


def _node(kind: str, inputs: list[str], output: str, attributes: bytes = b"") -> bytes:
    names = b"".join(_bytes(1, name.encode()) for name in inputs)
    return _bytes(1, names + _bytes(2, output.encode()) + _bytes(4, kind.encode()) + attributes)


def _value(name: bytes, kind: int, axes: int) -> bytes:
    shape = b"".join(_bytes(1, _bytes(2, b"n%d" % axis)) for axis in range(axes))
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, shape)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    head = b""
    while value > 127:
        head, value = head + bytes([value & 127 | 128]), value >> 7
    return head + bytes([value])
