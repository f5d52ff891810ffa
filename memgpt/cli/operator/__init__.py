"""Commands of who runs the database and the service."""
