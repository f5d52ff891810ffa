"""One hook for everything that a forked child needs anew; every such resource registers with it.

A fork copies the memory of a process, not its threads, and shares its sockets. So a child that goes on using what its
parent opened reads its parent's answers, waits for threads that are not there, and for locks that nobody will release.
"""

from __future__ import annotations

import os
import threading
from typing import Protocol, TypeVar
from weakref import WeakSet


class Resource(Protocol):
    """Anything with sockets, threads, locks or half-made state."""

    def after_fork(self) -> None:
        """Start anew in a forked child. Called before anything else runs there; it must not wait or connect."""


class Inheritance(Resource, Protocol):
    """A resource that the parent hands on: prepared before the fork, so that nothing happens in between."""

    def before_fork(self) -> None:
        """Make ready in the parent what the child gets."""

    def after_fork_in_parent(self) -> None:
        """Let go in the parent of what the child has now."""


L = TypeVar("L", threading.Lock, threading.RLock)

_locks: WeakSet[threading.Lock | threading.RLock] = WeakSet()
_resources: WeakSet[Resource] = WeakSet()
_inheritances: WeakSet[Inheritance] = WeakSet()


def register(resource: Resource) -> None:
    """Have ``resource.after_fork()`` called in each forked child, as long as the resource lives."""
    _resources.add(resource)


def hand_on(resource: Inheritance) -> None:
    """Register a resource that the child takes over in part."""
    _inheritances.add(resource)
    register(resource)


def lock() -> threading.Lock:
    """Return a lock that is free in a forked child, whichever thread of the parent held it."""
    return _renewed(threading.Lock())


def rlock() -> threading.RLock:
    """Return such a lock that its holder may take again."""
    return _renewed(threading.RLock())


def _renewed(lock: L) -> L:
    _locks.add(lock)
    return lock


def _before() -> None:
    for resource in list(_inheritances):
        resource.before_fork()


def _in_parent() -> None:
    for resource in list(_inheritances):
        resource.after_fork_in_parent()


def _in_child() -> None:
    for lock in list(_locks):
        lock._at_fork_reinit()  # type: ignore[union-attr] # as the standard library renews its own
    for resource in list(_resources):
        resource.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
