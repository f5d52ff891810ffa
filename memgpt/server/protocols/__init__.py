"""Protocols of model providers that the service speaks: what of a request is memory, and the way to the upstream."""
