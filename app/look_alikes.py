"""Names that would look like other names: letters of several scripts, and those no eye tells apart.

The scripts of a name are judged as "highly restrictive" by Unicode Technical Standard 39.
"""

import unicodedata

import regex

ALONE = (
    "Arab Armn Beng Cyrl Deva Ethi Geor Grek Gujr Guru Hebr Khmr Knda Laoo Latn Mlym Mymr Orya "
    "Sinh Taml Telu Thaa Thai Tibt"
).split()
"""Scripts in use today, of which a name has one (Unicode Standard Annex 31, table 5)."""
TOGETHER = ("Latn Hani Hira Kana", "Latn Hani Bopo", "Latn Hani Hang")
"""Scripts that Japanese, Chinese and Korean write together."""


def _signs(scripts: str) -> str:
    return "[" + "".join(rf"\p{{scx={one}}}" for one in f"{scripts} Zyyy Zinh".split()) + "]*"


_ONE_SCRIPT = regex.compile("|".join(_signs(scripts) for scripts in (*ALONE, *TOGETHER)))
_INVISIBLE = regex.compile(r"\p{Default_Ignorable_Code_Point}")
_LIKE_LATIN = str.maketrans(
    "АВЕЅІЈКМНОРСТУХѴԌԚԜҮӀаеѕіјорсухѵһԁԛԝүӏ"  # Cyrillic
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαγινορσυ"  # Greek
    "օսոհցզ"  # Armenian
    "ıɑɡ",
    "ABESIJKMHOPCTYXVGQWYlaesijopcyxvhdqwylABEZHIKMNOPTYXayivopouounhgqiag",
)
"""Letters that look like Latin ones, as they are printed upright."""


def is_plain(name: str) -> bool:
    """Whether it is written in one script, with nothing invisible, no space at its ends, and no
    letters in another form, such as full-width ones."""
    return (
        name == name.strip() == unicodedata.normalize("NFKC", name)
        and _INVISIBLE.search(name) is None
        and _ONE_SCRIPT.fullmatch(name) is not None
    )


def look(name: str) -> str:
    """What is left of a name to one who only looks at it: names of the same look are alike."""
    return " ".join(name.translate(_LIKE_LATIN).casefold().split())
