"""How programs write the numbers of lists: figures, letters, Roman numerals."""

ROMAN = [(1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l")]
ROMAN += [(40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")]
GREEK = "αβγδεζηθικλμνξοπρστυφχψω"


def numeral(number: int, kind: str) -> str:
    """``number`` in a list style named as in CSS; figures where the style cannot write it."""
    kind = kind.lower()
    if kind == "none":
        return ""
    if kind == "decimal-leading-zero":
        return f"{number:02d}"
    if 0 < number < 4000 and kind.endswith("roman"):
        return roman(number).upper() if kind.startswith("upper") else roman(number)
    if 0 < number < 20_000 and kind.endswith(("alpha", "latin")):
        return letters(number).upper() if kind.startswith("upper") else letters(number)
    if 0 < number <= len(GREEK) and kind == "lower-greek":
        return GREEK[number - 1]
    return str(number)


def roman(number: int) -> str:
    """Roman numeral in small letters, for 1 to 3999."""
    parts = []
    for value, sign in ROMAN:
        count, number = divmod(number, value)
        parts.append(sign * count)
    return "".join(parts)


def letters(number: int) -> str:
    """a, b, … z, aa, ab, …; for 1 and up."""
    found = ""
    while number > 0:
        number, rest = divmod(number - 1, 26)
        found = chr(ord("a") + rest) + found
    return found
