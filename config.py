"""The settings, where the specification looks for them; the code is in :mod:`memgpt.config`."""

from memgpt.config import NO_MODEL, OFFLINE_MODEL, Settings, settings

__all__ = ["NO_MODEL", "OFFLINE_MODEL", "Settings", "settings"]
