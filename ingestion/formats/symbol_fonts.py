"""What fonts of symbols print in place of the letters that a document holds."""

USUAL_FONT = "Wingdings"
"""That of signs of which no font is told."""
_PRIVATE = range(0xF020, 0xF100)
"""Where programs keep the characters of such fonts."""


def _from(first: int, signs: str) -> dict[int, str]:
    return {first + at: sign for at, sign in enumerate(signs) if sign != " "}


_SYMBOL = _from(0x21, "!∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_")
_SYMBOL |= _from(0x61, "αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼") | _from(
    0xA0, "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…"
)
_SYMBOL |= _from(0xC0, "ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑") | {0xF1: "〉", 0xF2: "∫"}
_WINGDINGS = _from(0x6C, "●❍■☐☐❑❒⬧⧫◆❖⬥") | _from(0x80, "⓪①②③④⑤⑥⑦⑧⑨⑩⓿❶❷❸❹❺❻❼❽❾❿")
_WINGDINGS |= _from(0x9E, "·•▪○") | {
    0xA7: "▪",
    0xA8: "☐",
    0xAB: "★",
    0xD8: "➢",
    0xFB: "✗",
    0xFC: "✓",
}
_WINGDINGS |= _from(0xDF, "←→↑↓↖↗↙↘➔") | _from(0xEF, "⇦⇨⇧⇩⬄") | {0xFD: "☒", 0xFE: "☒"}
_WINGDINGS_2 = _from(0x4F, "✗✓☒☒☒☒✗") | _from(0x69, "⓪①②③④⑤⑥⑦⑧⑨⑩⓿❶❷❸❹❺❻❼❽❾❿")
_WINGDINGS_2 |= {0x2A: "☐", 0x97: "●", 0xA2: "■", 0xA3: "☐"}
_WEBDINGS = {0x61: "✓", 0x63: "☐", 0x67: "■", 0x6E: "●", 0x72: "✗"}
_FONTS = {"symbol": _SYMBOL, "wingdings": _WINGDINGS, "wingdings 2": _WINGDINGS_2}
_FONTS |= {"wingdings 3": {}, "webdings": _WEBDINGS}


def printed(text: str, font: str) -> str:
    """The text as a font shows it: what is no letter there is none here. Signs that nobody would
    name are left out; text in other fonts, and what these fonts do not hold, stays."""
    signs = _FONTS.get(font.strip("\"' ").lower())
    return text if signs is None else "".join(_sign(letter, signs) for letter in text)


def _sign(letter: str, signs: dict[int, str]) -> str:
    code = ord(letter)
    if code not in _PRIVATE:
        byte = letter.encode("cp1252", "ignore")
        code = byte[0] if byte else 0
    return letter if code & 0xFF <= 0x20 else signs.get(code & 0xFF, "")
