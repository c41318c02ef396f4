"""The functions of pdfium by a shorter way: for what is asked of each letter of a page.

They take and give addresses as numbers, where those of pypdfium2 make an object for each, and keep
the interpreter for themselves: one thread alone reads a document.
"""

import ctypes
from typing import Any

PER_LETTER = (
    "FPDFText_GetUnicode FPDFText_GetCharBox FPDFText_GetCharOrigin FPDFText_GetTextObject "
    "FPDFText_GetLooseCharBox "
    "FPDFText_GetCharAngle FPDFText_GetFontWeight FPDFTextObj_GetFont FPDFFont_GetBaseFontName "
    "FPDFPageObj_GetType FPDFPageObj_GetBounds "
    "FPDFPageObj_GetFillColor FPDFPageObj_GetStrokeColor FPDFTextObj_GetTextRenderMode "
    "FPDFPageObj_CountMarks FPDFPageObj_GetClipPath FPDFClipPath_CountPaths FPDFPage_GetObject "
    "FPDFPath_CountSegments FPDFPath_GetPathSegment FPDFPathSegment_GetPoint "
    "FPDFPathSegment_GetType FPDFPathSegment_GetClose FPDFPath_GetDrawMode"
).split()


class Pdfium:
    """pdfium's functions by their names, each made at its first use."""

    def __getattr__(self, name: str) -> Any:
        from pypdfium2 import raw

        function = getattr(raw, name)
        prototype = ctypes.PYFUNCTYPE(_plain(function.restype), *map(_plain, function.argtypes))
        made = prototype(ctypes.cast(function, ctypes.c_void_p).value or 0)
        setattr(self, name, made)
        return made


PDFIUM = Pdfium()


def prepare() -> None:
    """Make those that every document needs."""
    for name in PER_LETTER:
        getattr(PDFIUM, name)


def address_of(pointer: Any) -> int:
    """Where a pointer of pypdfium2 points to."""
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


def _plain(kind: Any) -> Any:
    return ctypes.c_void_p if hasattr(kind, "contents") else kind
