"""File formats: one module for each kind of file, from bytes to text.

Nothing is imported here, so that the processes that read files start quickly.
"""
