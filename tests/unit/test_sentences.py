"""Where sentences end: abbreviations, ordinals, initials, other scripts, and linear time."""

import pytest

from guardrails.contract import sentence_bounds
from tests.effort import cpu_within


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_bounds(text)]


@pytest.mark.parametrize(
    "sentence",
    [
        "Adults take approx. 20 drops at night.",
        "The deposit is max. 40 euros for each key.",
        "Bags must weigh at least min. 3 kilograms to be taken.",
        "The rule is in para. 12 of the lease.",
        "Write to Harrow Co. Ltd. in York before Feb. 14 to cancel.",
        "The pool is open from 7 a.m. Tuesday to Friday.",
        "The warden is Prof. Edda Lorenz and her deputy is Mr. Achebe.",
        "See Fig. 3, vol. IV and Art. B of it.",
        "J. R. Hartley wrote it for St. Anne.",
        "Es gilt Nr. 8 der Satzung.",
        "Kleintiere, z. B. Hamster, sind erlaubt.",
        "Am 3. Oktober und im 2. Stock ist zu.",
        "Es kostet ca. 5 Euro, d. h. wenig.",
    ],
)
def test_an_abbreviation_ends_no_sentence(sentence: str) -> None:
    assert sentences(f"{sentence} The next one follows.") == [sentence, "The next one follows."]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("It opens at 10 a.m. Please wait.", ["It opens at 10 a.m.", "Please wait."]),
        ("Take vitamin C. It helps.", ["Take vitamin C.", "It helps."]),
        ("He said no. Children pay less.", ["He said no.", "Children pay less."]),
        ("It lasts 15 min. The door opens.", ["It lasts 15 min.", "The door opens."]),
        ("It was NASA. Nobody knew.", ["It was NASA.", "Nobody knew."]),
        ("The fee is 3. It is due.", ["The fee is 3.", "It is due."]),
        ("Das ist alles. Übrigens schließt es.", ["Das ist alles.", "Übrigens schließt es."]),
        ("¿Cuándo? ¡Hoy! Él viene.", ["¿Cuándo?", "¡Hoy!", "Él viene."]),
        ("これは文です。次の文です。", ["これは文です。", "次の文です。"]),
        ("Is it so?! Yes.", ["Is it so?!", "Yes."]),
    ],
)
def test_a_sentence_ends_where_the_next_begins(text: str, wanted: list[str]) -> None:
    assert sentences(text) == wanted


@pytest.mark.parametrize("piece", [" ", ".", ". ", "A. ", '!"', "1. ", "\n. ", "z. B. "])
def test_time_grows_with_the_length_of_the_text_only(piece: str) -> None:
    text = f"x.{piece * (20_000 // len(piece))}A"
    with cpu_within(2):
        sentence_bounds(text)
