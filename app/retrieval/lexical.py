"""Word search with BM25 (tantivy), filtered by collection inside the query."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import tantivy

WORD = re.compile(r"\w+")
MAX_QUERY_WORDS = 64
Weighted = Sequence[tuple[str, float]]
"""Texts, each with what it counts."""


class LexicalIndex:
    """An opened tantivy index; positions are those of the vectors beside it."""

    def __init__(self, folder: Path) -> None:
        self._index = tantivy.Index.open(str(folder))
        self._schema = self._index.schema
        self._searcher = self._index.searcher()

    @staticmethod
    def build(
        folder: Path, passages: Iterable[tuple[str, str, str, str]], memory_bytes: int = 64_000_000
    ) -> None:
        """Write an index of (collection, document id, place, text) in position order."""
        folder.mkdir(parents=True)
        schema = _schema()
        index = tantivy.Index(schema, path=str(folder))
        writer = index.writer(heap_size=memory_bytes, num_threads=1)
        for position, (collection, document, place, text) in enumerate(passages):
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
        weighed = [(_words(text), weight) for text, weight in ((question, 1.0), *earlier)]
        wanted = [
            (tantivy.Occur.Should, tantivy.Query.boost_query(self._any_word(words), weight))
            for words, weight in weighed
            if words
        ]
        if not wanted or not collections:
            return []
        query = tantivy.Query.boolean_query(
            [
                (tantivy.Occur.Must, tantivy.Query.boolean_query(wanted)),
                (tantivy.Occur.Must, self._any_of("collection", collections)),
                *((tantivy.Occur.MustNot, self._term("document", d)) for d in excluded_documents),
            ]
        )
        result = self._searcher.search(query, k, count=False)
        return [(self._position(address), float(score)) for score, address in result.hits]

    def _any_word(self, words: str) -> tantivy.Query:
        query, _ = self._index.parse_query_lenient(words, ["title", "text"])
        return query

    def _any_of(self, field: str, values: Sequence[str]) -> tantivy.Query:
        # A constant score: which collection a passage is in says nothing about its relevance.
        terms = [(tantivy.Occur.Should, self._term(field, value)) for value in values]
        return tantivy.Query.const_score_query(tantivy.Query.boolean_query(terms), 0.0)

    def _term(self, field: str, value: str) -> tantivy.Query:
        return tantivy.Query.term_query(self._schema, field, value)

    def _position(self, address: tantivy.DocAddress) -> int:
        return int(self._searcher.doc(address)["position"][0])


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
