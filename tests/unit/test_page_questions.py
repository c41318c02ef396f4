"""Questions in bold, or in what opens their answers, are the headings of these."""

import random
import re
from collections import Counter

import docx
import pytest

from app.inference.embedder import load_tokenizer
from ingestion.chunk import cut_passages
from ingestion.formats.extract import extract
from tests.effort import cpu_within
from tests.unit.sample_documents import saved

Q, A = "How do I pay?", "By card or by cheque only."
Q2, A2 = "May dogs come?", "On a lead at all times."


def paths(source: str, name: str = "a.html") -> dict[str, tuple[str, ...]]:
    """The headings above each passage, by its last line."""
    found = extract(source.encode(), name)
    cuts = cut_passages(found, load_tokenizer())
    return {cut.text.split("\n")[-1]: cut.headings for cut in cuts}


BOLD = f"<p><b>{Q}</b></p><p>{A}</p><p><strong>{Q2[:4]}</strong> <b>{Q2[4:]}</b></p><p>{A2}</p>"
LINES = f"<p><b>{Q}</b><br>{A}</p><div><strong>{Q2}</strong><br>{A2}</div>"
STYLED = f"<p style='font-weight:bold'>{Q}</p><p>{A}</p><p style='font-weight: 700'>{Q2}</p><p>{A2}"
BUTTONS = "".join(
    f"<div class=item><button class=acc>{q}</button><div class=panel><p>{a}</p></div></div>"
    for q, a in ((Q, A), (Q2, A2))
)
NAMED = "".join(
    f"<div class=faq-item><div class='faq-question'><span>{q}</span></div><div>{a}</div></div>"
    for q, a in ((Q, A), (Q2, A2))
)
HIDDEN = (
    f"<div><div role=button data-bs-toggle=collapse data-bs-target='#a'>{Q}</div>"
    f"<div id=a style='display:none'>{A}</div></div>"
    f"<div><a role=button aria-expanded=false aria-controls=b>{Q2}</a>"
    f"<div id=b hidden>{A2}</div></div>"
)
FORMS = {
    "paragraphs": BOLD,
    "lines": LINES,
    "styles": STYLED,
    "buttons": BUTTONS,
    "names": NAMED,
    "boxes that a script opens": HIDDEN,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_question_is_the_heading_of_its_answer(form: str) -> None:
    found = paths(f"<title>T</title><h1>Help</h1><h2>FAQ</h2>{FORMS[form]}<h2>End</h2><p>Bye.</p>")
    assert found[A] == ("Help", "FAQ", Q)
    assert found[A2] == ("Help", "FAQ", Q2)
    assert found["Bye."] == ("Help", "End")


@pytest.mark.parametrize("form", ["buttons", "names", "boxes that a script opens"])
def test_an_answer_ends_with_the_box_around_it(form: str) -> None:
    found = paths(f"<h2>FAQ</h2>{FORMS[form]}<p>Write to us at any time of the day.</p>")
    assert found["Write to us at any time of the day."] == ("FAQ",)


STAYS = {
    "a question before its answer on one line": f"<p><b>{Q}</b> {A}</p>",
    "bold in a sentence": f"<p>People ask <b>{Q}</b></p><p>{A}</p>",
    "a list": f"<ul><li><b>{Q}</b><br>{A}</li></ul>",
    "a cell": f"<table><tr><td><b>{Q}</b></td><td>{A}</td></tr></table>",
    "a form": f"<form><button>Forgot it?</button><div>{A}</div></form>",
    "a button without an answer": "<p>x</p><div><button>Need help?</button></div>",
    "two questions": f"<div><p class=question>{Q}</p></div>",
    "bold that tells": f"<p><b>Opening hours</b></p><p>{A}</p>",
    "a heading": f"<h3><button>{Q}</button></h3><div>{A}</div>",
}


@pytest.mark.parametrize("form", STAYS)
def test_other_questions_are_no_headings(form: str) -> None:
    headings = extract(f"<h2>FAQ</h2>{STAYS[form]}".encode(), "a.html").headings
    expected = ["FAQ", Q] if form == "a heading" else ["FAQ"]
    assert [one.text for one in headings] == expected


def test_a_question_is_no_title() -> None:
    assert extract(BOLD.encode(), "help.html").title == "help"
    assert extract(f"{BOLD}<h2>Help</h2>".encode(), "a.html").title == "Help"


def test_questions_of_markdown() -> None:
    source = f"""\
# Help

**{Q}**
{A}

__{Q2}__\\
{A2}

**Cats?**

No.

## End

```
**Is this code?**
yes
```
"""
    found = paths(source, "a.md")
    assert (
        found[A] == ("Help", Q) and found[A2] == ("Help", Q2) and found["No."] == ("Help", "Cats?")
    )
    assert "**Is this code?**\nyes" in extract(source.encode(), "a.md").text


def test_questions_of_word() -> None:
    document = docx.Document()
    document.add_heading("Help", 1)
    for question, answer in ((Q, A), (Q2, A2)):
        paragraph = document.add_paragraph()
        paragraph.add_run(question[:5]).bold = True
        paragraph.add_run(question[5:]).bold = True
        document.add_paragraph(answer)
    half = document.add_paragraph()
    half.add_run("Is this").bold = True
    half.add_run(" plain?")
    document.add_paragraph("It is.")
    document.add_heading("End", 1)
    last = document.add_paragraph()
    last.add_run("More?").bold = True
    found = extract(saved(document), "a.docx")
    cuts = {cut.text.split("\n")[-1]: cut.headings for cut in cut_passages(found, load_tokenizer())}
    assert cuts[A] == ("Help", Q)
    assert [one.text for one in found.headings] == ["Help", Q, Q2, "End"]
    assert found.title == "Help"


PARTS = [
    "<p><b>", "</b></p>", "<b>", "</b>", "<br>", "How?", "Why so?", "word", " ", "<div>", "</div>",
    "<button>", "</button>", "<p>", "</p>", "<h2>", "</h2>", "<span class=question>", "</span>",
    "<ul><li>", "</li></ul>", "<details>", "<summary>", "</summary>", "</details>", "<em>", "</em>",
    "<div role=button>", "<table><tr><td>", "</td></tr></table>", "<pre>", "</pre>", "<strong>",
    "<dl><dt>", "</dt><dd>", "</dd></dl>", "a sentence of an answer.", "<p style=font-weight:bold>",
]  # fmt: skip


def test_no_word_of_a_random_page_is_lost_or_doubled() -> None:
    """What is read of a page is what is read of it when no question has its mark."""
    pick, asked = random.Random(8), 0
    for _ in range(2500):
        source = f"<p>a</p>{''.join(pick.choices(PARTS, k=pick.randint(3, 25)))}<p>z</p>"
        found = extract(source.encode(), "a.html")
        plain = extract(source.replace("?", "!").encode(), "a.html")
        words = re.compile(r"\w+")
        if "<button>" not in source and "role=button" not in source:  # these show only as questions
            assert Counter(words.findall(found.text)) == Counter(words.findall(plain.text)), source
        asked += len(found.headings) > len(plain.headings)
        starts = [one.start for one in found.headings]
        assert starts == sorted(starts), source
        for one in found.headings:
            assert " ".join(found.text[one.start :].split()).startswith(one.text), source
    assert asked > 40


@pytest.mark.parametrize(
    "unit", ["<p><b>x?</b></p>", "<div><b>x?</b>", "<b>x?", "<div class=question>x?", "<i><b>?</b>"]
)
def test_time_grows_with_the_length_only(unit: str) -> None:
    with cpu_within(15):
        extract((unit * (300_000 // len(unit)) + "<p>z</p>").encode(), "a.html")
