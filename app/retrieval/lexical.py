"""Word search with BM25 (tantivy), filtered by collection inside the query."""

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import tantivy

WORD = re.compile(r"\w+")
MAX_QUERY_WORDS = 64
DELTA_BYTES = 16_000_000
MAX_CORRECTIONS = 100_000
WORD_FIELDS = ("title", "text")
STEMS = (
    tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    .filter(tantivy.Filter.remove_long(40))
    .filter(tantivy.Filter.lowercase())
    .filter(tantivy.Filter.stemmer("english"))
    .build()
)
"""What tantivy's tokenizer en_stem does."""
Weighted = Sequence[tuple[str, float]]
"""Texts, each with what it counts."""


class LexicalIndex:
    """An opened tantivy index; positions are those of the vectors beside it.

    tantivy counts what was removed in the frequencies of words until it merges files. Where there
    is such, each word is weighed by what its frequency is without it.
    """

    def __init__(self, folder: Path, collections: Sequence[str] = ()) -> None:
        """``collections``: all that it holds passages of, removed ones too."""
        self._index = tantivy.Index.open(str(folder))
        self._schema = self._index.schema
        self._searcher = self._index.searcher()
        stored = sum(self._searcher.doc_freq("collection", name) for name in collections)
        self._stored, self._collections = max(stored, len(self)), frozenset(collections)
        self._corrections: dict[tuple[str, str], float] = {}

    @staticmethod
    def build(
        folder: Path, passages: Iterable[tuple[str, str, str, str]], memory_bytes: int = 64_000_000
    ) -> None:
        """Write an index of (collection, document id, place, text) in position order."""
        folder.mkdir(parents=True)
        _write(tantivy.Index(_schema(), path=str(folder)), (), passages, 0, memory_bytes)

    @staticmethod
    def extend(
        folder: Path,
        replaced: Iterable[str],
        passages: Iterable[tuple[str, str, str, str]],
        first: int,
    ) -> int:
        """Remove the passages of ``replaced`` documents, and add these from position ``first``
        on; returns how many passages there are then.

        What was removed counts in the frequencies of words until its files are merged.
        """
        index = tantivy.Index.open(str(folder))
        _write(index, replaced, passages, first, DELTA_BYTES)
        return len(LexicalIndex(folder))

    def __len__(self) -> int:
        return int(self._searcher.num_docs)

    def search(
        self,
        question: str,
        collections: Sequence[str],
        k: int,
        excluded_documents: Sequence[str] = (),
        earlier: Weighted = (),
    ) -> list[tuple[int, float]]:
        """The ``k`` best (position, BM25 score), best first; [] when no word matches.

        Words of ``earlier`` texts count by their weight beside 1 for the question's.
        """
        if not collections:
            return []
        if self._all_count(collections, excluded_documents) and not earlier:
            plain = self._union(_words(question))
            if plain is not None:
                return self._hits(plain, k)
        weighed = [(_words(text), weight) for text, weight in ((question, 1.0), *earlier)]
        wanted = [
            (tantivy.Occur.Should, tantivy.Query.boost_query(self._any_word(words), weight))
            for words, weight in weighed
            if words
        ]
        if not wanted:
            return []
        query = tantivy.Query.boolean_query(
            [
                (tantivy.Occur.Must, tantivy.Query.boolean_query(wanted)),
                (tantivy.Occur.Must, self._any_of("collection", collections)),
                *((tantivy.Occur.MustNot, self._term("document", d)) for d in excluded_documents),
            ]
        )
        return self._hits(query, k)

    def _hits(self, query: tantivy.Query, k: int) -> list[tuple[int, float]]:
        result = self._searcher.search(query, k, count=False)
        return [(self._position(address), float(score)) for score, address in result.hits]

    def _all_count(self, collections: Sequence[str], excluded_documents: Sequence[str]) -> bool:
        """Whether every passage of the index may be found, and each by its plain weight."""
        whole = self._stored == len(self) and not excluded_documents
        return whole and bool(self._collections) and self._collections <= set(collections)

    def _union(self, words: str) -> tantivy.Query | None:
        """The same as ``_any_word`` without levels: tantivy passes over passages that hold common
        words alone only where a query is nothing but words. None where a word is several, which
        must stand beside each other."""
        # Tantivy's parser takes each word once, but several of one stem as often as there are.
        stems = [STEMS.analyze(word) for word in dict.fromkeys(words.split())]
        if any(len(parts) > 1 for parts in stems):
            return None
        terms = [(field, word) for parts in stems for word in parts for field in WORD_FIELDS]
        wanted = [(tantivy.Occur.Should, self._term(*term)) for term in terms]
        return tantivy.Query.boolean_query(wanted)

    def _any_word(self, words: str) -> tantivy.Query:
        if self._stored == len(self):
            query, _ = self._index.parse_query_lenient(words, list(WORD_FIELDS))
            return query
        # Each word once, however often it is asked for: so does tantivy's own parser.
        stems = dict.fromkeys(STEMS.analyze(words))
        terms = [(field, word) for word in stems for field in WORD_FIELDS]
        weighed = [(self._term(*term), self._correction(term)) for term in terms]
        boosted = [tantivy.Query.boost_query(query, weight) for query, weight in weighed if weight]
        return tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in boosted])

    def _correction(self, term: tuple[str, str]) -> float:
        """What makes tantivy's weight of a word the one it has without what was removed."""
        if term not in self._corrections:
            if len(self._corrections) >= MAX_CORRECTIONS:
                self._corrections.clear()
            stored = self._searcher.doc_freq(*term)
            found: Any = self._searcher.search(self._term(*term), 1)  # its stub lacks the count
            present = found.count or 0
            wanted = _idf(len(self), present) / _idf(self._stored, stored) if present else 0.0
            self._corrections[term] = wanted
        return self._corrections[term]

    def _any_of(self, field: str, values: Sequence[str]) -> tantivy.Query:
        # A constant score: which collection a passage is in says nothing about its relevance.
        terms = [(tantivy.Occur.Should, self._term(field, value)) for value in values]
        return tantivy.Query.const_score_query(tantivy.Query.boolean_query(terms), 0.0)

    def _term(self, field: str, value: str) -> tantivy.Query:
        return tantivy.Query.term_query(self._schema, field, value)

    def _position(self, address: tantivy.DocAddress) -> int:
        return int(self._searcher.doc(address)["position"][0])


def _write(
    index: tantivy.Index,
    replaced: Iterable[str],
    passages: Iterable[tuple[str, str, str, str]],
    first: int,
    memory_bytes: int,
) -> None:
    schema = index.schema
    writer = index.writer(heap_size=memory_bytes, num_threads=1)
    for document in replaced:
        writer.delete_documents_by_term("document", document)
    for position, (collection, document, place, text) in enumerate(passages, start=first):
        fields = {
            "position": position,
            "collection": collection,
            "document": document,
            "title": place,
            "text": text,
        }
        writer.add_document(tantivy.Document.from_dict(fields, schema))
    writer.commit()
    writer.wait_merging_threads()


def _idf(passages: int, having: int) -> float:
    """The inverse document frequency of BM25, as tantivy has it."""
    return math.log1p((passages - having + 0.5) / (having + 0.5))


def _words(text: str) -> str:
    return " ".join(WORD.findall(text.lower())[:MAX_QUERY_WORDS])


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("position", stored=True)
    builder.add_text_field("collection", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("document", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("title", tokenizer_name="en_stem")
    builder.add_text_field("text", tokenizer_name="en_stem")
    return builder.build()
