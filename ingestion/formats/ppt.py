"""x."""

from ingestion.formats.document import Read


def read(data: bytes) -> Read:
    """x."""
    raise NotImplementedError
