"""Another toolkit's reader over a folder: each file as Markdown beside it, one line of figures.

Run as ``python -m benchmarks.peers.read_files markitdown FOLDER`` in any environment; it imports
nothing of ours.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

Reader = tuple[Callable[[Path], str], tuple[type[Exception], ...]]
"""What makes Markdown of a file, and what it raises for one that it cannot read."""


def main(system: str, folder: Path) -> None:
    """Read all that the folder holds; what fails is counted by its error."""
    read, refusals = READERS[system]()
    failed = Counter[str]()
    files = sorted(folder.iterdir())
    started = time.perf_counter()
    for file in files:
        try:
            text = read(file)
        except refusals as error:
            failed[f"{file.suffix} {type(error).__name__}"] += 1
        else:
            file.with_name(file.name + ".md").write_text(text, "utf-8")
    seconds = round(time.perf_counter() - started, 2)
    print(json.dumps({"version": version(system), "seconds": seconds, "failed": failed}))


def _markitdown() -> Reader:
    from markitdown import MarkItDown, MarkItDownException

    reader = MarkItDown()
    return lambda file: str(reader.convert_local(file).text_content), (MarkItDownException,)


def _docling() -> Reader:
    from docling.document_converter import DocumentConverter

    reader = DocumentConverter()
    # For want of its models it raises OSError, of an extra ImportError.
    refusals = (RuntimeError, OSError, ImportError)
    return lambda file: str(reader.convert(file).document.export_to_markdown()), refusals


READERS = {"markitdown": _markitdown, "docling": _docling}

if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
