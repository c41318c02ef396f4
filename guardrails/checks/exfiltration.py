"""Is there anything in the answer that could carry data away, or that nobody can see?

Whoever shows an answer may render it as Markdown or HTML: a picture is then fetched without a
click, and its address can hold what the model read. Links and encoded text are allowed only as
they stand in a cited passage.
"""

import re
from collections.abc import Iterator

from guardrails.checks.wording import pattern
from guardrails.contract import Case, Draft, Finding, Outcome, Stage

KINDS = {
    "hidden_text": "characters that nobody sees",
    "image": "an image",
    "html": "HTML",
    "code_link": "a link that runs code or holds data",
    "link": "a link that its source does not hold",
    "encoded": "encoded text that its source does not hold",
}
_TAGS = (
    r"(?:a|abbr|audio|b|base|body|br|button|canvas|code|details|div|dialog|em|embed|font|form|frame"
    r"|frameset|h[1-6]|head|html|hr|i|iframe|img|input|li|link|marquee|math|meta|object|ol|p|picture"
    r"|portal|pre|script|select|source|span|strong|style|svg|table|td|template|textarea|th|title|tr"
    r"|track|u|ul|video)"
)
_SHAPES = (
    ("image", pattern(r"!\[[^\]\n]{0,500}\] ?[(\[]")),
    ("html", pattern(rf"</?{_TAGS}\s*/?>")),
    ("html", pattern(r"<(?:script|iframe|img|svg|object|embed|form|input|link|meta|style|base)\b")),
    ("html", pattern(r"<[a-z][\w:-]{0,40}[\s/][^<>]{0,500}=|<!--|<!\[cdata|<!doctype")),
    ("code_link", pattern(r"\b(?:javascript|vbscript):|\b(?:file|blob|jar|filesystem):[/\w]*/")),
    ("code_link", pattern(r"\bdata:(?:[\w.+-]{1,40}/[\w.+-]{1,80})?[;,]")),
)
LINK = pattern(
    r"\b[a-z][a-z0-9+.-]{1,15}://[^\s<>\"'`]+"
    r"|(?:^|[\s(\[<\"'=])(//[\w-]+(?:\.[\w-]+)+[^\s<>\"'`]*)"
    r"|\bwww\.[^\s<>\"'`]+|\b(?:[a-z0-9-]+\.)+[a-z]{2,24}/[^\s<>\"'`]*|\]\(\s*([^\s)]+)"
)
ENCODED = pattern(r"[A-Za-z0-9+/_-]{40,}={0,2}|(?:[0-9a-f]{2}[ :]){20,}|(?:%[0-9a-f]{2}){12,}")
FLAG = re.compile("\U0001f3f4[\U000e0061-\U000e007a\U000e0030-\U000e0039]{2,6}\U000e007f")
HIDDEN = re.compile(
    "[\u200b\u2060-\u2064\ufeff\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f\U000e0100-\U000e01ef]"
    "|[\u200c\u200d]{2,}|[\ufe00-\ufe0f]{2,}"
)
"""Zero-width, direction and tag characters; single joiners belong to scripts and emoji."""


class ExfiltrationCheck:
    """Fails once for each kind of carrier in any text of the answer."""

    name = "exfiltration"
    stage: Stage = "draft"
    timeout_s = 3.0

    def run(self, case: Case) -> list[Finding]:
        """A fail for each kind, labelled with it, else one pass."""
        if case.draft is None:
            return [Finding(self.name, Outcome.FAIL, "There is no draft.")]
        cited = {citation.passage_id for citation in case.draft.citations}
        sources = "\n".join(p.text for p in case.evidence if p.id in cited)
        found: dict[str, str] = {}
        for kind, excerpt in _carriers(_written(case.draft), sources):
            found.setdefault(kind, excerpt)
        failed = [
            Finding(self.name, Outcome.FAIL, f"The answer holds {KINDS[kind]}.", kind, text[:200])
            for kind, text in found.items()
        ]
        return failed or [Finding(self.name, Outcome.PASS, "The answer carries nothing away.")]


def _written(draft: Draft) -> str:
    """What the generator wrote; the quotes are their sources' own words."""
    texts = [*(sentence.text for sentence in draft.sentences), draft.short or ""]
    return "\n".join(dict.fromkeys(texts))


def _carriers(text: str, sources: str) -> Iterator[tuple[str, str]]:
    """(kind, excerpt) of all there are."""
    if HIDDEN.search(FLAG.sub("", text)):
        yield "hidden_text", "(invisible characters)"
    for kind, shape in _SHAPES:
        for match in shape.finditer(text):
            yield kind, match.group(0)
    for match in LINK.finditer(text):
        link = next(group for group in (*match.groups(), match.group(0)) if group)
        link = link.rstrip(".,;:!?)]}*_")
        if link and not _stands_in(link, sources):
            yield "link", link
    for match in ENCODED.finditer(text):
        if _is_encoded(match.group(0)) and not _stands_in(match.group(0), sources):
            yield "encoded", match.group(0)


def _stands_in(piece: str, sources: str) -> bool:
    """Whether a source holds exactly this, and not only as the beginning of something longer."""
    after = sources.find(piece)
    while after >= 0:
        following = sources[after + len(piece) :][:1]
        if not following.isalnum() and following not in tuple("-_%=&"):
            return True
        after = sources.find(piece, after + 1)
    return False


def _is_encoded(piece: str) -> bool:
    """Letters of both cases and digits, or no letters at all beyond hexadecimal ones: no word."""
    kinds = (str.isupper, str.islower, str.isdigit)
    return sum(any(map(kind, piece)) for kind in kinds) >= 2 and any(map(str.isdigit, piece))
