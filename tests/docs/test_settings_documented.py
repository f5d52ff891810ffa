"""docs/settings.md lists every setting, under its name and with its default, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic_core import PydanticUndefined

from memgpt.config import Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
ROW = re.compile(r"^\| `(?P<name>[A-Z_]+)` \| (?P<default>[^|]+) \|", re.MULTILINE)


def variables() -> dict[str, object]:
    """Default of each setting by the name of its variable."""
    prefix = Settings.model_config["env_prefix"]
    fields = Settings.model_fields.items()
    return {str(field.validation_alias or f"{prefix}{name}".upper()): field.default for name, field in fields}


def documented() -> dict[str, str]:
    return {row["name"]: row["default"].strip() for row in ROW.finditer(PAGE.read_text(encoding="utf-8"))}


def test_every_setting_is_documented_and_nothing_else() -> None:
    assert documented().keys() == variables().keys()


def test_defaults_are_those_of_the_code() -> None:
    page = documented()
    fixed = {name: value for name, value in variables().items() if value not in (None, PydanticUndefined)}
    assert {name: page[name] for name in fixed} == {name: f"`{value}`" for name, value in fixed.items()}


def test_settings_stay_few() -> None:
    assert len(variables()) <= 20
