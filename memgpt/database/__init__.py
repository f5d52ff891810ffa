"""Connections to PostgreSQL, named SQL, migrations, and the embedded server."""
