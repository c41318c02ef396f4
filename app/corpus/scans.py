"""Pages that are images of text: whether what recognises them is installed here."""

import shutil
from collections.abc import Iterable
from pathlib import Path

SCAN, TESSERACT = "scan", "tesseract"
"""The reason of pages that nothing here could recognise, and the program that can."""


def installed() -> str | None:
    """Where tesseract is, None where it is not."""
    found = shutil.which(TESSERACT)
    return str(Path(found).resolve()) if found else None


def gains_scans(left_out: Iterable[str]) -> bool:
    """Whether a document of which this was left out would gain pages if it were read now."""
    return any(one.endswith(f": {SCAN}") for one in left_out) and installed() is not None
