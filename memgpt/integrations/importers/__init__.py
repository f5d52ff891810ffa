"""Other memories, taken over: each system's items read by a module of its own, and written by one."""

from memgpt.integrations.importers.import_items import ImportItem
from memgpt.integrations.importers.kinds import KINDS
from memgpt.integrations.importers.run import ImportedItem, ImportReport, import_memory

__all__ = ["KINDS", "ImportItem", "ImportReport", "ImportedItem", "import_memory"]
