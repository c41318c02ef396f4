"""How many tokens a text has, by the tokenizer of the model that reads or writes it."""

from functools import cached_property
from pathlib import Path

from tokenizers import Tokenizer

from app.inference.networks.weights import base_folder

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
    def _tokenizer(self) -> Tokenizer:
        path = (self._folder or base_folder()) / FILE
        if not path.is_file():
            path = base_folder() / FILE
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer


SHIPPED_COUNT = TokenCount()
"""Counts with the shipped tokenizer."""
