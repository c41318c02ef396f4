"""Print docs/settings.md from the settings themselves.

Run as:
    python -m cli.settings_page > docs/settings.md
"""

import sys
from typing import Any

from pydantic import BaseModel

from app.settings import GROUPS, PREFIX, PROJECT

HEAD = """# Settings

Every setting is an environment variable, and every default works on a laptop without network.
`countersign doctor` shows the values in force, where they come from and what they select.
This page is generated (`make docs`); a test keeps it true.
"""
TABLE = """
| variable | default | meaning |
|---|---|---|
"""


def settings_page() -> str:
    """The page as Markdown."""
    return HEAD + "".join(f"\n## {group.__doc__}\n{TABLE}{_rows(group)}" for group in GROUPS)


def _rows(group: type[BaseModel]) -> str:
    return "".join(
        f"| `{PREFIX}{name.upper()}` | {_default(field.default)} | {_cell(field.description)} |\n"
        for name, field in group.model_fields.items()
    )


def _default(value: Any) -> str:
    if value in ("", None):
        return "–"
    text = str(value).replace(str(PROJECT), "").lstrip("/")
    return f"`{text}`"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(settings_page())
