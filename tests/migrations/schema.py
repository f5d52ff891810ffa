"""Writes ``schema.sql`` anew: ``python -m tests.migrations.schema``."""

import os
import sys
from pathlib import Path

import pytest

os.environ["MEMGPT_TEST_WRITE_SCHEMA"] = "1"
sys.exit(pytest.main(["-q", "-n0", str(Path(__file__).with_name("test_snapshot.py"))]))
