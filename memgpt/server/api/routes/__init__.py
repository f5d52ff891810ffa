"""The resources of ``/v1``."""
