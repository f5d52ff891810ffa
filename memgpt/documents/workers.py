"""Preparing files in several processes: one that hangs or dies takes only its own file with it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from queue import LifoQueue
from typing import Any, Final, TypeVar

from memgpt.database import forks
from memgpt.documents.prepare import Prepared, UnembeddedChunk
from memgpt.errors import InputError, MemgptError, MissingExtraError

PATIENCE: Final = 300.0
"""Seconds one file may take."""

_MAIN: Final = "import sys; sys.path[:] = sys.argv[1:]; from memgpt.documents.worker import main; main()"
"""Finds the package where this process found it."""

T = TypeVar("T")


def prepare_each(
    items: Iterable[T],
    path: Callable[[T], str],
    *,
    workers: int,
    encoding: str | None = None,
    ocr: bool = False,
    patience: float = PATIENCE,
) -> Generator[tuple[T, Prepared | MemgptError]]:
    """Each item with the document in its file, or with why there is none, in the order they are done.

    ``encoding`` is that of texts and pages; absent, each file's own is detected. ``ocr`` has scanned pages read.
    At most two files a worker are on their way, so memory does not grow with the number of items.
    """
    crew = [_Worker(patience) for _ in range(workers)]
    idle: LifoQueue[_Worker] = LifoQueue()  # the one just used is running already
    for worker in crew:
        idle.put(worker)

    def prepare(item: T) -> Prepared:
        worker = idle.get()
        try:
            return worker.prepare(path(item), encoding, ocr)
        finally:
            idle.put(worker)

    pending: dict[Future[Prepared], T] = {}
    threads = ThreadPoolExecutor(workers)
    try:
        for item in items:
            pending[threads.submit(prepare, item)] = item
            if len(pending) >= 2 * workers:
                yield from _finished(pending)
        while pending:
            yield from _finished(pending)
    finally:
        for worker in crew:
            worker.dismiss()
        threads.shutdown(cancel_futures=True)


def _finished(pending: dict[Future[Prepared], T]) -> Iterator[tuple[T, Prepared | MemgptError]]:
    for future in wait(pending, return_when=FIRST_COMPLETED).done:
        item = pending.pop(future)
        error = future.exception()
        if error is None:
            yield item, future.result()
        elif isinstance(error, MemgptError):
            yield item, error
        else:
            raise error


class _Worker:
    """A process that prepares one file at a time; started when first needed, and again after it died."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._process: subprocess.Popen[str] | None = None
        self._dismissed = False
        self._lock = forks.lock()

    def prepare(self, path: str, encoding: str | None, ocr: bool) -> Prepared:
        process = self._running()
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        alarm = threading.Timer(self._patience, end)
        alarm.daemon = True
        alarm.start()
        try:
            answer = _ask(process, {"path": path, "encoding": encoding} | ({"ocr": ocr} if ocr else {}))
        finally:
            alarm.cancel()
        if answer is not None:
            return _prepared(answer)
        status = _ended(process)
        if late.is_set():
            raise InputError(f"not read within {self._patience:g} s")
        raise InputError(f"the process that read it ended with status {status}: corrupt, or it takes too much memory")

    def dismiss(self) -> None:
        """End the process, busy or not; no other is started."""
        with self._lock:
            self._dismissed = True
            if self._process is not None:
                self._process.kill()
                _ended(self._process)

    def _running(self) -> subprocess.Popen[str]:
        with self._lock:
            if self._dismissed:
                raise InputError("not read: the run was ended")
            if self._process is None or self._process.poll() is not None:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", _MAIN, *sys.path],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    encoding="ascii",
                )
            return self._process


def _ended(process: subprocess.Popen[str]) -> int:
    """Close the pipes of a process that is ending, and return its status."""
    with suppress(BrokenPipeError), process:
        pass
    return process.wait()


def _ask(process: subprocess.Popen[str], question: Mapping[str, str | bool | None]) -> dict[str, Any] | None:
    """Return the process's answer; None if it ended without one."""
    assert process.stdin is not None  # noqa: S101 - both are pipes
    assert process.stdout is not None  # noqa: S101
    try:
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        answer: dict[str, Any] = json.loads(process.stdout.readline())
    except (BrokenPipeError, json.JSONDecodeError):
        return None
    return answer


def _prepared(answer: dict[str, Any]) -> Prepared:
    if "missing" in answer:
        raise MissingExtraError(*answer["missing"])
    if "reason" in answer:
        raise InputError(answer["reason"])
    fields = answer["prepared"]
    return Prepared(**fields | {"cuts": [UnembeddedChunk(**cut) for cut in fields["cuts"]]})
