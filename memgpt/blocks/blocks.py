"""Core memory as ``memory.core``: the labelled blocks that are always in an agent's context."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import psycopg

from memgpt import validation
from memgpt.blocks import edits
from memgpt.blocks.lines.blame import MOST_CHANGES, MOST_REPLACED, blame
from memgpt.blocks.store import BlockStore
from memgpt.database.connection import Connection
from memgpt.errors import ConflictError, ForbiddenError, InputError, MismatchError, NotFoundError
from memgpt.models import BlameLine, Block
from memgpt.scope.scope import AgentScope

DEFAULT_LIMIT: Final = 5000
"""Characters of a block nobody gave a limit."""

MOST_CHARACTERS: Final = 1_000_000
"""The largest limit: a block is in every context, so more would not fit any model's."""

DESCRIPTIONS: Final = {
    "human": "What is known about the person this agent talks to: name, preferences, plans, what matters to them.",
    "persona": "Who this agent is: its character, its tone, what it may do and what it must not.",
    "context": "What is going on now: the current task, its state, open questions.",
}
"""What the usual blocks are for, told to the model beside their values. Every agent writes its own under these labels:
one that another agent shares is read until then, and never written to."""

_ATTEMPTS: Final = 3


class Core:
    """The core memory of one agent: ``memory.core["human"].append("Prefers metric units.")``.

    It holds the agent's own blocks and those other agents share with it; under one label the agent's own comes first.
    Iteration gives the labels, as in a mapping.
    """

    def __init__(self, scope: AgentScope) -> None:
        self._scope = scope

    def __getitem__(self, label: str) -> CoreBlock:
        """Return a handle on the block of that label, which need not exist yet: the first write creates it."""
        return CoreBlock(self._scope, validation.label(label))

    def __iter__(self) -> Iterator[str]:
        return iter([block.label for block in self.list()])

    def __contains__(self, label: object) -> bool:
        if not isinstance(label, str):
            return False
        wanted = validation.normal(label)
        return self._scope.read(lambda connection: BlockStore(connection, self._scope.author).get(wanted)) is not None

    def list(self) -> Sequence[Block]:
        """Every block the agent sees, oldest first."""
        return self._scope.read(lambda connection: BlockStore(connection, self._scope.author).list())

    def create(
        self,
        label: str,
        value: str = "",
        *,
        description: str | None = None,
        limit: int = DEFAULT_LIMIT,
        read_only: bool = False,
    ) -> Block:
        """Create a block of the agent's own.

        Raises:
            ConflictError: the agent has a block of that label.
            InputError: the value is longer than ``limit``.
        """
        label = validation.label(label)
        validation.text(value, "value", empty=True)
        purpose = DESCRIPTIONS.get(label, "") if description is None else description
        validation.description(purpose)
        _within(label, value, validation.limit(limit, most=MOST_CHARACTERS))
        with self._scope.change() as (connection, change_id):
            block = BlockStore(connection, self._scope.author).insert(
                label, change_id=change_id, value=value, description=purpose, limit=limit, read_only=bool(read_only)
            )
        if block is None:
            raise ConflictError(f"agent {self._scope.agent_id!r} has a block {label!r} already: edit or delete it")
        return block

    def delete(self, label: str, *, expected_version: int | None = None, expected_sha256: str | None = None) -> None:
        """Remove a block of the agent's own; the history keeps it and ``undo`` brings it back.

        Raises:
            NotFoundError: the agent sees no block of that label.
            InputError: the block is another agent's, or read-only.
            ConflictError: it is not the version expected.
        """
        handle = self[label]
        with self._scope.change() as (connection, change_id):
            block = handle._owned(connection, _Expected(expected_version, expected_sha256))
            _refuse_read_only(block)
            BlockStore(connection, self._scope.author).delete(block, change_id=change_id)


class CoreBlock:
    """A handle on one block. It holds nothing: every use reads the block as it is.

    Every edit of the value works on the version it has read, and waits for others who edit the same block, so that none
    is lost. Give ``expected_version`` or ``expected_sha256`` (of :class:`~memgpt.models.Block`) to edit only what
    you have seen: a block that somebody changed since raises ConflictError. Edits answer the block as it is afterwards.
    """

    def __init__(self, scope: AgentScope, label: str) -> None:
        self._scope = scope
        self.label = label

    def __repr__(self) -> str:
        return f"<block {self.label!r} of agent {self._scope.agent_id!r}>"

    @property
    def block(self) -> Block:
        """The block as it is now.

        Raises:
            NotFoundError: the agent sees no block of that label.
        """
        block = self._scope.read(lambda connection: BlockStore(connection, self._scope.author).get(self.label))
        if block is None:
            raise self._absent()
        return block

    @property
    def value(self) -> str:
        """The text as it is now; as :attr:`block`, NotFoundError where there is none."""
        return self.block.value

    def blame(self) -> Sequence[BlameLine]:
        """Return each line of the value with the change that wrote it: who, when, and the version it made.

        What an undo brought back counts as written where it was written first. The latest 1,000 changes are looked
        through, and 10 MB of what they replaced; lines that are older have no change.

        Raises:
            NotFoundError: the agent sees no block of that label.
            InputError: the block is another agent's, and so is its history.
        """

        def read(connection: Connection) -> Sequence[BlameLine]:
            store = BlockStore(connection, self._scope.author)
            block = store.get(self.label)
            if block is None:
                raise self._absent()
            if block.agent_id != self._scope.agent_id:
                raise InputError(
                    f"block {self.label!r} belongs to agent {block.agent_id!r}, which shares it: "
                    f"only the owner has its history"
                )
            return blame(block, store.changes(block, most=MOST_CHANGES, replaced=MOST_REPLACED))

        return self._scope.read(read)

    def append(self, text: str, *, expected_version: int | None = None, expected_sha256: str | None = None) -> Block:
        """Add a text on a new line at the end."""
        validation.text(text, "text")

        def appended(value: str) -> str:
            return f"{value}{text}" if not value or value.endswith("\n") else f"{value}\n{text}"

        return self._edit(appended, _Expected(expected_version, expected_sha256))

    def replace(
        self, old: str, new: str, *, expected_version: int | None = None, expected_sha256: str | None = None
    ) -> Block:
        """Put ``new`` in the place of ``old``, which must occur exactly once; an empty ``new`` removes it.

        Raises:
            InputError: ``old`` does not occur, or more than once; the message shows where.
        """
        validation.text(old, "old text", empty=True)
        validation.text(new, "new text", empty=True)
        if not old:
            raise InputError("the old text is empty: use insert or append to add a text")
        return self._edit(
            lambda value: edits.replaced(self.label, value, old, new),
            _Expected(expected_version, expected_sha256),
            create=False,
        )

    def insert(
        self,
        text: str,
        line: int | None = None,
        *,
        expected_version: int | None = None,
        expected_sha256: str | None = None,
    ) -> Block:
        """Insert a text so that it begins at that line, counted from 1; without a line, at the end."""
        validation.text(text, "text")
        if line is None:
            return self.append(text, expected_version=expected_version, expected_sha256=expected_sha256)
        return self._edit(
            lambda value: edits.inserted(self.label, value, text, line), _Expected(expected_version, expected_sha256)
        )

    def rethink(self, value: str, *, expected_version: int | None = None, expected_sha256: str | None = None) -> Block:
        """Replace the whole text."""
        validation.text(value, "value", empty=True)
        return self._edit(lambda _: value, _Expected(expected_version, expected_sha256))

    def describe(
        self,
        description: str | None = None,
        *,
        limit: int | None = None,
        read_only: bool | None = None,
        expected_version: int | None = None,
        expected_sha256: str | None = None,
    ) -> Block:
        """Change what the block is for, how many characters it may have, and whether its value may be edited.

        Raises:
            InputError: the block is another agent's, or its value is longer than the new limit.
        """
        if description is not None:
            validation.description(description)
        if limit is not None:
            validation.limit(limit, most=MOST_CHARACTERS)
        with self._scope.change() as (connection, change_id):
            block = self._owned(connection, _Expected(expected_version, expected_sha256))
            _within(self.label, block.value, limit or block.limit)
            changed = BlockStore(connection, self._scope.author).update(
                block, change_id=change_id, description=description, limit=limit, read_only=read_only
            )
        return self._written(changed)

    def share_with(self, *agents: str) -> Block:
        """Let other agents see this block in their context, and edit it unless it is read-only.

        Under the labels ``human``, ``persona`` and ``context`` they read it until they write one of their own.

        Raises:
            ConflictError: one of them has a block of that label; nothing was shared.
            ForbiddenError: isolated, and the key has no access to one of them.
        """
        others = [validation.agent_id(agent, "agents") for agent in validation.texts(agents, "agents")]
        if self._scope.agent_id in others:
            raise MismatchError(
                f"agent {self._scope.agent_id!r} owns block {self.label!r} and need not share it with itself"
            )
        with self._scope.change() as (connection, change_id):
            store = BlockStore(connection, self._scope.author)
            block = self._owned(connection, _Expected())
            if taken := store.seen_by(others, self.label):
                raise ConflictError(
                    f"agent {taken[0]!r} has a block {self.label!r} already: create one of another label to share it"
                )
            return self._shared(store, block, sorted({*block.shared_with, *others}), change_id)

    def unshare(self, *agents: str) -> Block:
        """Take the block out of other agents' context; without arguments, out of everybody's."""
        others = [validation.agent_id(agent, "agents") for agent in validation.texts(agents, "agents")]
        with self._scope.change() as (connection, change_id):
            block = self._owned(connection, _Expected())
            left = [agent for agent in block.shared_with if others and agent not in others]
            return self._shared(BlockStore(connection, self._scope.author), block, left, change_id)

    def _shared(self, store: BlockStore, block: Block, agents: builtins.list[str], change_id: UUID) -> Block:
        if agents == block.shared_with:
            return block
        try:
            return self._written(store.update(block, change_id=change_id, shared_with=agents))
        except psycopg.errors.InsufficientPrivilege as error:
            raise ForbiddenError(
                f"block {self.label!r} cannot be shared with {', '.join(agents)}: "
                "this API key does not have access to all of them"
            ) from error

    def _edit(self, edited: Callable[[str], str], expected: _Expected, *, create: bool = True) -> Block:
        """Compute the new value from the one that was read, and write it unless nothing changes.

        The first attempt takes no lock, since two hardly ever edit a block at once; after that it waits for the other.
        """
        block = self._scope.read(lambda connection: BlockStore(connection, self._scope.author).get(self.label))

        def write(connection: Connection, change_id: UUID) -> Block | None:
            store = BlockStore(connection, self._scope.author)
            return self._edited(store, block, edited, expected, change_id, create=create)

        if (written := self._scope.edit(write)) is not None:
            return written
        with self._scope.change() as (connection, change_id):
            store = BlockStore(connection, self._scope.author)
            # A block created or deleted between two statements is seen by the next attempt.
            for _ in range(_ATTEMPTS):
                block = store.get(self.label, lock=True)
                written = self._edited(store, block, edited, expected, change_id, create=create)
                if written is not None:
                    return written
        raise ConflictError(f"block {self.label!r} is being created and removed by somebody else: try again")

    def _edited(
        self,
        store: BlockStore,
        block: Block | None,
        edited: Callable[[str], str],
        expected: _Expected,
        change_id: UUID,
        *,
        create: bool,
    ) -> Block | None:
        """Write the new value of a block that was just read; None where somebody changed it since."""
        if block is None or (block.agent_id != self._scope.agent_id and self.label in DESCRIPTIONS):
            if expected.anything or not create:
                raise self._absent()
            return self._create(store, edited(""), change_id)
        expected.check(block)
        _refuse_read_only(block)
        value = edited(block.value)
        if value == block.value:
            return block
        _within(self.label, value, block.limit)
        return store.update(block, change_id=change_id, value=value)

    def _create(self, store: BlockStore, value: str, change_id: UUID) -> Block | None:
        _within(self.label, value, DEFAULT_LIMIT)
        return store.insert(
            self.label,
            change_id=change_id,
            value=value,
            description=DESCRIPTIONS.get(self.label, ""),
            limit=DEFAULT_LIMIT,
        )

    def _owned(self, connection: Connection, expected: _Expected) -> Block:
        """Lock and return the block, if it is the agent's own and as expected."""
        block = BlockStore(connection, self._scope.author).get(self.label, lock=True)
        if block is None:
            raise self._absent()
        if block.agent_id != self._scope.agent_id:
            raise MismatchError(
                f"block {self.label!r} belongs to agent {block.agent_id!r}, which shares it: only the owner may do this"
            )
        expected.check(block)
        return block

    def _written(self, block: Block | None) -> Block:
        if block is None:
            raise ConflictError(f"block {self.label!r} was changed by somebody else: read it again")
        return block

    def _absent(self) -> NotFoundError:
        return NotFoundError(
            f"agent {self._scope.agent_id!r} has no block {self.label!r}: append or rethink creates it"
        )


@dataclass(frozen=True, slots=True)
class _Expected:
    """State of the block that the caller has seen, if it says so."""

    version: int | None = None
    sha256: str | None = None

    @property
    def anything(self) -> bool:
        return self.version is not None or self.sha256 is not None

    def check(self, block: Block) -> None:
        if self.version is not None and self.version != block.version:
            raise ConflictError(
                f"block {block.label!r} has version {block.version}, not {self.version}: "
                "somebody changed it, so read it again"
            )
        if self.sha256 is not None and self.sha256.lower() != block.sha256:
            raise ConflictError(
                f"the value of block {block.label!r} is not the one with SHA-256 {self.sha256}: "
                f"somebody changed it (version {block.version}), so read it again"
            )


def _refuse_read_only(block: Block) -> None:
    if block.read_only:
        raise MismatchError(
            f"block {block.label!r} is read-only: its owner, agent {block.agent_id!r}, can change that with "
            "describe(read_only=False)"
        )


def _within(label: str, value: str, limit: int) -> None:
    if len(value) > limit:
        raise MismatchError(
            f"block {label!r} would have {len(value):,} characters, {len(value) - limit:,} over its limit of "
            f"{limit:,}: shorten it, or raise the limit"
        )
