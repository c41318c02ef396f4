"""How many tokens a text has, by the tokenizer of the model that reads or writes it."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # libraries of the models take long to import
    from tokenizers import Tokenizer

FILE = "tokenizer.json"


class TokenCount:
    """Counts the tokens of texts, special tokens left out; loads at the first count.

    ``folder`` is that of a model; without one, or where it has no tokenizer that can be counted
    with, the shipped one counts.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def __call__(self, text: str) -> int:
        """The tokens of the whole text, whatever a model cuts off."""
        # A lone surrogate is no text to a tokenizer.
        plain = text.encode("utf-8", "replace").decode("utf-8")
        return len(self._tokenizer.encode(plain, add_special_tokens=False).ids)

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        from tokenizers import Tokenizer

        from app.inference.embedder import load_tokenizer

        path = self._folder / FILE if self._folder is not None else None
        if path is None or not path.is_file():
            return load_tokenizer()
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer


SHIPPED_COUNT = TokenCount()
"""Counts with the shipped tokenizer."""
