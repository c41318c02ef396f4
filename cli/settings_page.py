"""Print docs/settings.md from the settings themselves.

Run as:
    python -m cli.settings_page > docs/settings.md
"""

import sys
from typing import Any

from app.settings import PREFIX, PROJECT, Settings

HEAD = """# Settings

Every setting is an environment variable, and every default works on a laptop without network.
`countersign doctor` shows the values in force, where they come from and what they select.
This page is generated (`make docs`); a test keeps it true.

| variable | default | meaning |
|---|---|---|
"""


def settings_page() -> str:
    """The page as Markdown."""
    rows = [
        f"| `{PREFIX}{name.upper()}` | {_default(field.default)} | {_cell(field.description)} |\n"
        for name, field in Settings.model_fields.items()
    ]
    return HEAD + "".join(rows)


def _default(value: Any) -> str:
    if value in ("", None):
        return "–"
    text = str(value).replace(str(PROJECT), "").lstrip("/")
    return f"`{text}`"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(settings_page())
