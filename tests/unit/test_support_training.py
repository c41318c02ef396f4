"""Training rows of the support check: edits mark what they changed, labels reach their tokens."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from app.inference.embedder import load_tokenizer
from app.inference.networks.pair_model import new_pair_model
from app.inference.networks.pair_tensors import SUPPORT_HEADS
from app.inference.support import SupportCheck
from tests.training_rows import write_rows
from training import claims as made
from training.claims import EDITS, SUPPORTED, Claim, Source, begin, corrupted, paraphrased
from training.lexicon import Lexicon, load_lexicon
from training.support import (
    NO_LABEL,
    batches,
    collate,
    encode,
    save,
    start_from,
    support_loss,
    train,
)
from training.support_data import COMPANY_COPIES, OF_SENTENCE, load_claims

EVIDENCE = (
    "The bridge in London was opened by Ada Bell on Monday in March 1890, and 300 men built it. "
    "It was not the largest bridge. Peter Hall painted it in 1902 for Mary Stone."
)
CLAIM = "In 1890 the large bridge was opened by Ada Bell in London on Monday, and 300 men built it."
WORDNET = {
    "data.noun": [
        "00000010 06 n 01 structure 0 002 ~ 00000020 n 0000 ~ 00000030 n 0000 | a thing built",
        "00000020 06 n 02 bridge 0 span 0 001 @ 00000010 n 0000 | it spans",
        "00000030 06 n 01 tunnel 0 001 @ 00000010 n 0000 | it goes below",
    ],
    "data.verb": [
        "00000040 30 v 02 open 0 unlock 0 001 ! 00000050 v 0101 01 + 02 00 | make open",
        "00000050 30 v 01 close 0 001 ! 00000040 v 0101 01 + 02 00 | shut",
    ],
    "data.adj": [
        "00000060 00 a 02 large 0 big 0 001 ! 00000070 a 0101 | of size",
        "00000070 00 a 01 small 0 001 ! 00000060 a 0101 | of little size",
    ],
    "data.adv": [],
    "index.sense": [
        "structure%1:06:00:: 00000010 1 9",
        "bridge%1:06:00:: 00000020 1 9",
        "span%1:06:00:: 00000020 1 2",
        "tunnel%1:06:00:: 00000030 1 9",
        "open%2:30:00:: 00000040 1 9",
        "unlock%2:30:00:: 00000040 1 2",
        "close%2:30:00:: 00000050 1 9",
        "large%3:00:00:: 00000060 1 9",
        "big%3:00:00:: 00000060 1 9",
        "small%3:00:00:: 00000070 1 9",
    ],
}


@pytest.fixture(scope="module")
def wordnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in WordNet's format with nine words."""
    folder = tmp_path_factory.mktemp("wordnet")
    for name, lines in WORDNET.items():
        text = "  1 a line of the licence\n" * (name != "index.sense")
        (folder / name).write_text(text + "".join(f"{line}  \n" for line in lines), "latin-1")
    return folder


@pytest.fixture(scope="module")
def lexicon(wordnet: Path) -> Lexicon:
    return load_lexicon(wordnet)


@pytest.fixture
def source(lexicon: Lexicon) -> Source:
    others = ["Anna Wood sold the mill in 1777, with help from her brother, for nothing."]
    return Source(EVIDENCE, others, lexicon, random.Random(3))


def test_words_come_back_in_the_form_they_were_asked_in(lexicon: Lexicon) -> None:
    assert lexicon.synonyms("large") == ["big"]
    assert lexicon.synonyms("bridges") == ["spans"]
    assert lexicon.opposites("Opened") == ["Closed"]
    assert lexicon.opposites("closing") == ["opening"]
    assert lexicon.siblings("bridge") == ["tunnel"]
    assert lexicon.synonyms("zebra") == lexicon.opposites("bridge") == []


@pytest.mark.parametrize("edit", [edit for edit, _, _ in EDITS], ids=lambda edit: edit.__name__)
@pytest.mark.parametrize("seed", range(8))
def test_an_edit_changes_the_claim_and_marks_it(edit, seed: int, lexicon: Lexicon) -> None:  # type: ignore[no-untyped-def]
    others = ["Anna Wood sold the mill in 1777, with help from her brother, for nothing."]
    changed = edit(begin(CLAIM), Source(EVIDENCE, others, lexicon, random.Random(seed)))
    if changed is None:
        assert seed or edit is made.another_word  # not every seed fits every edit
        return
    assert changed.text != CLAIM
    assert changed.spans
    kept = [p for place, p in enumerate(changed.pieces) if place not in changed.changed]
    left = iter(begin(CLAIM).pieces)
    assert all(piece in left for piece in kept)  # what is not marked is the claim's, in order


def test_a_not_is_taken_away_too(source: Source) -> None:
    edit = made.negated(begin("It was not the largest bridge."), source)
    assert edit is not None and edit.text == "It was the largest bridge."
    assert edit.spans == ((3, 6),)


def test_names_do_not_begin_a_sentence() -> None:
    pieces = begin("Yesterday Ada Bell came. Nobody saw the FBI or Mr Hall.").pieces
    found = ["".join(pieces[first : last + 1]) for first, last in made.names(pieces)]
    assert found == ["Ada Bell", "FBI", "Mr Hall"]


@pytest.mark.parametrize("seed", range(20))
def test_a_corrupted_claim_is_not_supported_and_a_paraphrase_keeps_names(
    seed: int, lexicon: Lexicon
) -> None:
    rng = random.Random(seed)
    source = Source(EVIDENCE, ["Anna Wood sold the mill in 1777."], lexicon, rng)
    claim = corrupted(CLAIM, source)
    assert claim is not None and claim.label != SUPPORTED and claim.unsupported
    said = paraphrased(CLAIM, source)
    assert "Ada Bell" in said and "1890" in said + CLAIM


def test_labels_stand_at_the_tokens_of_the_changed_words() -> None:
    tokenizer = load_tokenizer()
    text = "It opened in 1891."
    row = encode([Claim(text, EVIDENCE, 1, ((13, 17),))], tokenizer)[0]
    assert row.marks is not None
    ids = [token for token, mark in zip(row.claim, row.marks, strict=True) if mark]
    assert tokenizer.decode(ids) == "1891"
    batch = collate([row, encode([Claim("It.", "It.", -1, None)], tokenizer)[0]])
    marked = batch.marks[0] == 1
    assert tokenizer.decode(batch.input_ids[0][marked].tolist()) == "1891"
    assert (batch.marks[1] == NO_LABEL).all()
    assert (batch.marks[0][batch.token_type_ids[0] == 1] == NO_LABEL).all()


def test_the_loss_falls_when_the_model_says_what_the_label_says() -> None:
    tokenizer = load_tokenizer()
    rows = encode([Claim("It is.", "It.", -1, ((3, 5),)), Claim("It.", "It.", 0, ())], tokenizer)
    batch = collate(rows)
    right = torch.tensor([[-5.0, 2.0, 4.0], [5.0, 0.0, 0.0]])
    marks = torch.where(batch.marks == 1, 5.0, -5.0).unsqueeze(-1)
    assert support_loss(marks, right, batch) < 0.1
    assert support_loss(-marks, right, batch) > 1
    assert support_loss(marks, -right, batch) > 1


def test_batches_hold_every_row_and_few_tokens() -> None:
    rows = encode([Claim("a " * (1 + n % 9), "b " * n, 0, ()) for n in range(60)], load_tokenizer())
    seen: list[object] = []
    for group in batches(list(rows), 200, random.Random(1)):
        assert max(map(len, group)) * len(group) <= 200 or len(group) == 1
        seen += group
        if len(seen) == len(rows):
            break
    assert sorted(map(len, rows)) == sorted(len(row) for row in seen)  # type: ignore[arg-type]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    support, qa = tmp_path / "train" / "support", tmp_path / "train" / "qa"
    support.mkdir(parents=True)
    qa.mkdir(parents=True)
    row: dict[str, Any] = {"context": EVIDENCE, "claim": CLAIM}
    labels = ("supported", "not_entailed", "contradicted", "not_enough_info", "generic")
    files: dict[Path, list[dict[str, Any]]] = {
        support / f"{name}.jsonl.gz": [{**row, "label": label} for label in labels]
        for name in "mnli snli mpe rte scitail begin_wow".split()
    }
    tokens = {"claim_tokens": ["In", "1890"], "non_supported": [False, True]}
    files[support / "wice_tokens.jsonl.gz"] = [{**row, **tokens, "label": "partially_supported"}]
    files[qa / "passages.jsonl.gz"] = [
        {"passage_id": f"p{n}", "title": "Bridge", "text": f"{EVIDENCE} Number {n}."}
        for n in range(20)
    ]
    files[qa / "questions.jsonl.gz"] = [
        {"question": question, "passage_ids": [f"p{n}"], "answers": [answer], "answerable": True}
        for n in range(20)
        for question, answer in (("Who opened the bridge?", "Ada Bell"), ("When?", "1890"))
    ]
    for path, rows in files.items():
        write_rows(path, rows)
    return tmp_path


def test_rows_come_from_people_and_from_rules(data: Path, lexicon: Lexicon) -> None:
    claims = load_claims(data, lexicon, 20, seed=5)
    labels = {claim.label for claim in claims}
    assert labels == {-1, 0, 1, 2}
    answered = {"Who opened the bridge? Ada Bell", "Ada Bell opened the bridge"}
    assert any(claim.text in answered for claim in claims)
    marked = [claim for claim in claims if claim.text == CLAIM and claim.unsupported]
    assert any(
        CLAIM[slice(*claim.unsupported[0])] == "1890" for claim in marked if claim.unsupported
    )
    assert all(not claim.unsupported for claim in claims if claim.label == SUPPORTED)


def test_claims_of_companies_are_what_their_rows_say(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "companies" / "lockers"
    folder.mkdir(parents=True)
    said = {"follows": "Notice is a week.", "contradicts": "Go at once.", "neither": "Pay first."}
    row = {**said, "source": "One week's notice.", "kind": "when"}
    (folder / "claims.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    without = load_claims(data, None, 0, seed=5)
    claims = load_claims(data, None, 0, seed=5, companies=folder.parent)
    assert len(claims) - len(without) == 3 * COMPANY_COPIES
    found = {one.text: one for one in claims if one.evidence == "One week's notice."}
    assert {name: found[text].label for name, text in said.items()} == OF_SENTENCE
    assert found["Notice is a week."].unsupported == () and not found["Go at once."].unsupported


def test_a_tiny_run_saves_a_check_that_runs(data: Path, lexicon: Lexicon, tmp_path: Path) -> None:
    rows = encode(load_claims(data, lexicon, 20, seed=5), load_tokenizer())
    model = new_pair_model(SUPPORT_HEADS, "eager")
    out = tmp_path / "support"
    figures = train(
        model, rows, minutes=0.02, learning_rate=1e-4, batch_tokens=400, seed=1, out=out
    )
    save(model, out, figures)
    assert figures["examples"] > 0
    (support,) = SupportCheck(out, "cpu").claims([(CLAIM, [EVIDENCE])])
    assert 0 <= support.probability <= 1
    again = new_pair_model(SUPPORT_HEADS)
    start_from(again, out)
    name = "encoder.encoder.layer.0.output.dense.weight"
    assert torch.equal(again.state_dict()[name], model.state_dict()[name].half().float())
