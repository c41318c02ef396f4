"""What makes pages of docs/ right on a site too: links to files beside docs/ become the name of the
file, and headings get the anchors that they have where the pages are read as files."""

import re
from pathlib import Path
from typing import Any

from pymdownx.slugs import slugify

LINK = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[^)\s]+)\)")


def on_config(config: Any) -> Any:
    """Anchors as readers of Markdown make them: "Row by row" is row-by-row."""
    config.mdx_configs["toc"]["slugify"] = slugify(case="lower")
    return config


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """The page without links that lead out of docs/."""
    docs = Path(config.docs_dir)
    folder = (docs / page.file.src_uri).parent

    def shown(link: re.Match[str]) -> str:
        words, target = link.groups()
        path = (folder / target.partition("#")[0]).resolve()
        if path.is_relative_to(docs):
            return link[0]
        name = f"`{path.relative_to(docs.parent)}`"
        return name if words.strip("`") in name else f"{words} ({name})"

    return LINK.sub(shown, markdown)
