"""Readers that have read before: what they do at their first document is done in the process that
forks, on documents that are ours.

A child of that process then finds it done: patterns are compiled, tables looked up, and the
interpreter has adapted the code, which writes to memory that children otherwise share.
"""

from ingestion.formats.reply import told

TIMES = 12
"""After so many calls the interpreter has adapted what it runs."""
WORDS = "The fee for a room is due on the 5th of May; whoever pays later pays £9 more. " * 3
PAGE = f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Fees</title></head><body>
<nav><a href="/">Home</a></nav><main><h1>Fees</h1><p>{WORDS}</p><h2>1. Rooms</h2>
<p>{WORDS}<b>All</b> rooms &amp; halls.<br>See <a href="#a">below</a>.</p>
<ul><li>One bed</li><li>Two beds</li></ul>
<table><tr><th>Room</th><th>Price</th></tr><tr><td>12</td><td>£75</td></tr></table></main>
</body></html>"""
NOTES = f"""# Fees

{WORDS}

## Rooms

- One bed
- Two *beds*

| Room | Price |
|---|---|
| 12 | £75 |
"""


def page() -> None:
    """HTML."""
    for _ in range(TIMES):
        told(PAGE.encode(), "fees.html")


def notes() -> None:
    """Markdown and plain text."""
    for _ in range(TIMES):
        told(NOTES.encode(), "fees.md")
        told(WORDS.encode(), "fees.txt")
