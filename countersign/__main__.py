"""``python -m countersign``: the same as the command ``countersign``."""

from countersign import main

main()
