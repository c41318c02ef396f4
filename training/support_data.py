"""Training rows of the support check: claims over evidence, from people and from rules.

Reads ``DATA/train/support``, ``DATA/train/qa`` and WordNet's files (see the model card).
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from app.files import read_rows
from app.inference.evidence_selection import condensed
from app.inference.support import token_spans
from guardrails.contract import sentence_bounds
from training.claims import (
    CONTRADICTED,
    REFUTED,
    SUPPORTED,
    UNKNOWN,
    Claim,
    Source,
    corrupted,
    paraphrased,
)
from training.data import held_out
from training.lexicon import Lexicon
from training.statements import state

LABELS = {
    "supported": SUPPORTED,
    "contradicted": CONTRADICTED,
    "not_enough_info": UNKNOWN,
    "not_entailed": REFUTED,
    "not_supported": REFUTED,
}
COPIES = {"mnli": 1, "snli": 1, "mpe": 1, "rte": 2, "scitail": 2, "begin_wow": 2}
"""How often a file's rows are used as they stand."""
WICE_COPIES = 4
BUDGETS = (250, 400, 600, 900)
"""Characters of evidence; short ones train faster, long ones are what the service sees."""
OTHERS = 4
COMPANY_COPIES = 4
OF_SENTENCE = {"follows": SUPPORTED, "contradicts": CONTRADICTED, "neither": UNKNOWN}
"""What each claim of a row of ``claims.jsonl`` is to its ``source``."""


def load_claims(
    data: Path, lexicon: Lexicon | None, passages: int, seed: int, companies: Path | None = None
) -> list[Claim]:
    """Rows written by people, edits of them, and claims about so many ``passages``; shuffled.

    Without a lexicon only the rows written by people. ``companies`` is a folder of companies with
    ``claims.jsonl``.
    """
    rng = random.Random(seed)
    claims = [*_natural(data, lexicon, rng), *_wice(data, rng)]
    if companies is not None:
        claims += COMPANY_COPIES * list(_of_companies(companies))
    if lexicon is not None:
        claims += _from_qa(data, lexicon, passages, rng)
    rng.shuffle(claims)
    return claims


def _natural(data: Path, lexicon: Lexicon | None, rng: random.Random) -> Iterator[Claim]:
    """Rows written by people; true ones once more paraphrased, and once more corrupted."""
    for name, copies in COPIES.items():
        rows = list(read_rows(data / f"train/support/{name}.jsonl.gz"))
        contexts = [str(row["context"]) for row in rows]
        for row in rows:
            label = LABELS.get(str(row["label"]))
            if label is None:
                continue
            claim = Claim(str(row["claim"]), str(row["context"]), label, _none_if(label))
            yield from [claim] * copies
            if label == SUPPORTED and lexicon is not None:
                source = Source(claim.evidence, rng.sample(contexts, OTHERS), lexicon, rng)
                yield from _edited(claim.text, source)


def _none_if(label: int) -> tuple[tuple[int, int], ...] | None:
    return () if label == SUPPORTED else None


def _edited(text: str, source: Source) -> Iterator[Claim]:
    """A true claim in other words, and an untrue one made of such."""
    if (said := paraphrased(text, source)) != text:
        yield Claim(said, source.evidence, SUPPORTED, ())
    if claim := corrupted(paraphrased(text, source), source):
        yield claim


def _of_companies(folder: Path) -> Iterator[Claim]:
    """What follows from a sentence of a company's documents, contradicts it, or does neither."""
    for path in sorted(folder.rglob("claims.jsonl")):
        for row in read_rows(path):
            for name, label in OF_SENTENCE.items():
                yield Claim(row[name], row["source"], label, _none_if(label))


def _wice(data: Path, rng: random.Random) -> Iterator[Claim]:
    """Claims of which people marked the words that their long evidence does not hold."""
    for row in read_rows(data / "train/support/wice_tokens.jsonl.gz"):
        text = str(row["claim"])
        places = token_spans(text, row["claim_tokens"])
        marked = zip(places, row["non_supported"], strict=True)
        spans = tuple(place for place, unsupported in marked if unsupported)
        for _ in range(WICE_COPIES):
            evidence = condensed(text, str(row["context"]), rng.choice(BUDGETS[1:]))
            yield Claim(text, evidence, REFUTED, spans)


def _from_qa(data: Path, lexicon: Lexicon, count: int, rng: random.Random) -> Iterator[Claim]:
    passages = {
        row["passage_id"]: row
        for row in read_rows(data / "train/qa/passages.jsonl.gz")
        if not held_out(row["passage_id"])
    }
    titles: dict[str, list[str]] = defaultdict(list)
    for row in passages.values():
        titles[row["title"]].append(row["text"])
    questions: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in read_rows(data / "train/qa/questions.jsonl.gz"):
        if row["answerable"] and len(row["passage_ids"]) == 1:
            questions[row["passage_ids"][0]].append(row)
    texts = [row["text"] for row in passages.values()]
    for key, row in rng.sample(list(passages.items()), min(count, len(passages))):
        others = [*_some(titles[row["title"]], OTHERS, rng), *_some(texts, 1, rng)]
        others = [other for other in others if other != row["text"]]
        source = Source(row["text"], others, lexicon, rng)
        yield from _of_sentences(source)
        yield from _of_questions(questions[key], source)


def _some(items: Sequence[str], count: int, rng: random.Random) -> list[str]:
    return rng.sample(items, min(count, len(items)))


def _of_sentences(source: Source) -> Iterator[Claim]:
    """Two sentences of a passage: in other words, corrupted, or over a text without them."""
    text, rng = source.evidence, source.rng
    bounds = [(a, b) for a, b in sentence_bounds(text) if 30 <= b - a <= 300]
    for a, b in rng.sample(bounds, min(2, len(bounds))):
        sentence = text[a:b]
        kind = rng.random()
        if kind < 0.42:
            yield _short(Claim(paraphrased(sentence, source), text, SUPPORTED, ()), rng)
        elif kind < 0.9:
            if claim := corrupted(paraphrased(sentence, source), source):
                yield _short(claim, rng)
        else:
            without = text[:a] + text[b:]
            other = without if rng.random() < 0.7 or not source.others else source.others[0]
            yield _short(Claim(paraphrased(sentence, source), other, UNKNOWN, None), rng)


def _short(claim: Claim, rng: random.Random) -> Claim:
    evidence = condensed(claim.text, claim.evidence, rng.choice(BUDGETS))
    return Claim(claim.text, evidence, claim.label, claim.unsupported)


def _of_questions(rows: list[dict[str, Any]], source: Source) -> Iterator[Claim]:
    """Questions with their answer as claims: the right one, another one, or a corrupted one."""
    rng = source.rng
    answers = [str(row["answers"][0]) for row in rows]
    for row in rng.sample(rows, min(2, len(rows))):
        question, answer = str(row["question"]), str(row["answers"][0])
        if len(answer) > 120 or len(question) > 200:
            continue
        kind = rng.random()
        if kind < 0.42:
            yield _short(_answered(question, answer, source, SUPPORTED), rng)
            continue
        others = [a for a in answers if answer not in a and a not in answer]
        alike = [a for a in others if _kind(a) == _kind(answer)] or others
        if kind < 0.75 and alike:
            yield _short(_answered(question, rng.choice(alike), source, REFUTED), rng)
        elif kind < 0.9:
            right = _answered(question, answer, source, SUPPORTED)
            if claim := corrupted(right.text, source):
                yield _short(claim, rng)
        elif source.others and answer not in source.others[0]:
            lacking = Source(source.others[0], source.others, source.lexicon, rng)
            claim = _answered(question, answer, lacking, UNKNOWN)
            yield _short(Claim(claim.text, claim.evidence, UNKNOWN, None), rng)


def _kind(answer: str) -> str:
    first = answer.strip()[:1]
    return "number" if any(c.isdigit() for c in answer) else "name" if first.isupper() else "word"


def _answered(question: str, answer: str, source: Source, label: int) -> Claim:
    """The statement where a rule makes one, else question and answer side by side."""
    said = state(question, answer)
    if source.rng.random() < 0.7 and (said.before or said.after):
        before, after = said.before, said.after
    else:
        before, after = f"{question} ", ""
    start = len(before)
    spans = () if label == SUPPORTED else ((start, start + len(said.answer)),)
    return Claim(f"{before}{said.answer}{after}", source.evidence, label, spans)
