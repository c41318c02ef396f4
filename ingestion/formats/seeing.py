"""What people can see: how small, faint or like its background print may be."""

from collections.abc import Sequence

Colour = tuple[float, float, float]
"""Red, green and blue, each from 0 to 1."""
WHITE: Colour = (1.0, 1.0, 1.0)
BLACK: Colour = (0.0, 0.0, 0.0)
SMALLEST_PT = 2.0
"""Nobody reads smaller print."""
FAINTEST = 0.1
"""Less opaque text cannot be read."""
LOWEST_CONTRAST = 1.15
"""The ratio of luminances (as WCAG defines it) below which text is not there for a reader."""


def contrast(one: Sequence[float], other: Sequence[float]) -> float:
    """From 1 (the same) to 21 (black on white)."""
    dark, bright = sorted((_luminance(one), _luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def can_be_told(print_colour: Sequence[float], background: Sequence[float]) -> bool:
    """Whether print of one colour can be read on another."""
    return contrast(print_colour, background) >= LOWEST_CONTRAST


def blended(colour: Sequence[float], alpha: float, behind: Sequence[float]) -> Colour:
    """The colour that shows where one of so much opacity lies over another."""
    red, green, blue = (c * alpha + b * (1 - alpha) for c, b in zip(colour, behind, strict=True))
    return red, green, blue


def _luminance(colour: Sequence[float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
