"""Names that would look like other names."""

import pytest

from app.access.principals import check_name
from app.errors import Invalid
from app.look_alikes import is_plain, look


@pytest.mark.parametrize(
    "name",
    "ann,O'Brien-Müller,Łukasz,Nguyễn,анна,Πέτρος,山田 太郎,カート,김철수,王 Wei,محمد,नरेन्द्र,ไทย,"
    "x.y@example.org,qa_1 (night)".split(","),
)
def test_names_of_one_script_are_plain(name: str) -> None:
    assert is_plain(name)
    check_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "\N{CYRILLIC SMALL LETTER A}nn",
        "b\N{GREEK SMALL LETTER OMICRON}b",
        "ann\N{COMBINING GRAPHEME JOINER}",
        "ann\N{VARIATION SELECTOR-1}",
        "\N{BRAILLE PATTERN BLANK}",
        "ann\N{HANGUL FILLER}",
        "\N{FULLWIDTH LATIN SMALL LETTER A}nn",
        "Jose\N{COMBINING ACUTE ACCENT}",
        "ann ",
    ],
)
def test_names_that_would_look_like_others_are_refused(name: str) -> None:
    assert not is_plain(name)
    with pytest.raises(Invalid, match="one script"):
        check_name(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("coco", "\u0441\u043e\u0441\u043e"),  # all of it Cyrillic
        ("BOB", "\u0412\u041e\u0412"),
        ("nu", "\u0578\u057d"),  # Armenian
        ("Ann Lee", "ann  lee"),
        ("bill", "b\N{LATIN SMALL LETTER DOTLESS I}ll"),
    ],
)
def test_names_of_the_same_look(one: str, other: str) -> None:
    assert one != other and look(one) == look(other)


def test_other_names_look_different() -> None:
    names = ["ann", "anna", "анна", "Ánn", "анн", "José", "Jose"]
    assert len({look(name) for name in names}) == len(names)
