"""The operator's side of the database: migrations, verification, backup, maintenance."""
