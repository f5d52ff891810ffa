"""Documents in: files, bytes and texts become chunks that know where they are from.

Nothing is imported here, so that the processes that read files start quickly.
"""
