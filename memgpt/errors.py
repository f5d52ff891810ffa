"""Every error memgpt raises on purpose.

::

    MemgptError
    ├── ConfigurationError          a setting is missing or has a bad value
    │   ├── MissingExtraError       an optional package is not installed
    │   └── NoModelError            no model is configured for this
    ├── InputError                  a value given by the caller cannot be used
    │   ├── NotFoundError           nothing has that id, label or name
    │   ├── MismatchError           good values that do not go together, or with what is stored
    │   └── ConflictError           somebody else changed it, or it exists already
    │       └── ForgottenError      it was done once, and forgotten since
    ├── AccessError                 a key is missing, unknown or expired
    │   └── ForbiddenError          a key may not do this
    ├── EmbeddingError              an embedding model failed or answered nonsense
    │   └── ModelMismatchError      vectors of two different models would be mixed
    ├── ChatError                   a chat model failed or answered nonsense
    │   └── WindowExceededError     what has to be sent is longer than the model reads
    ├── BusyError                   too much is under way already
    ├── MigrationError              a migration cannot be planned, applied or undone
    └── DatabaseError               PostgreSQL cannot be reached or cannot do what is needed
        ├── ServerError             the embedded server cannot be started
        ├── ReadOnlyError           the server is a standby
        ├── UnavailableError        no connection, or a full disk: it may work later
        ├── ContentionError         a deadlock or a lock: it may work at once
        └── DeniedError             the database role may not do this

The message says what happened, to which value, and what to do about it. No exception of the database driver leaves the
library: it is the ``__cause__`` of one of these.
"""

from memgpt.installation import DISTRIBUTION, stranger


class MemgptError(Exception):
    """Base of every error memgpt raises on purpose."""


class ConfigurationError(MemgptError):
    """A setting is missing or has a bad value."""


class MissingExtraError(ConfigurationError):
    """An optional package is not installed; the message names the extra that brings it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        other = stranger()
        trap = f"; {other}" if other else ""
        super().__init__(f"{purpose} needs the package {package!r}: pip install '{DISTRIBUTION}[{extra}]'{trap}")
        self.package = package
        self.extra = extra
        self.purpose = purpose


class NoModelError(ConfigurationError):
    """No chat model, embedding model or upstream is configured for this."""


class InputError(MemgptError, ValueError):
    """A value given by the caller cannot be used; nothing was written."""


class NotFoundError(InputError, LookupError):
    """Nothing has that id, label or name."""


class MismatchError(InputError):
    """Each value is good, but they do not go together, or not with what is stored; nothing was written."""


class ConflictError(InputError):
    """Somebody else changed it first, or it exists already; nothing was written."""


class ForgottenError(ConflictError):
    """It was done before, and what it wrote was forgotten since; nothing was written."""


class AccessError(MemgptError):
    """A key of the service is missing, unknown, expired or revoked."""


class ForbiddenError(AccessError):
    """The key is good, but may not do this."""


class EmbeddingError(MemgptError):
    """An embedding model failed or answered nonsense; nothing was stored."""


class ModelMismatchError(EmbeddingError):
    """Vectors of two different embedding models would be mixed."""


class ChatError(MemgptError):
    """A chat model failed or answered nonsense; the conversation is kept as far as it went."""


class WindowExceededError(ChatError):
    """The request is longer than the model's context window."""


class BusyError(MemgptError):
    """Too much is under way already; nothing was written. Try again when some of it is done."""


class MigrationError(MemgptError):
    """A migration cannot be planned, applied or undone; the database is as it was."""


class DatabaseError(MemgptError):
    """PostgreSQL cannot be reached, or cannot do what is needed."""


class ServerError(DatabaseError):
    """The embedded PostgreSQL server cannot be started."""


class ReadOnlyError(DatabaseError):
    """The server is a standby (or a read-only transaction), and a write was asked of it."""


class UnavailableError(DatabaseError):
    """No connection could be had or it was lost, or the server has no room; nothing was written. Try again later."""


class ContentionError(DatabaseError):
    """Somebody else is changing the same rows; nothing was written. Try again."""


class DeniedError(DatabaseError):
    """The database role lacks the right to do this; nothing was written."""
