"""Does the question, or the evidence, try to give the service orders?"""

import unicodedata
from collections.abc import Sequence

import re2

from guardrails.checks import Stage
from guardrails.contract import Case, Finding, Outcome

ALIKE = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0455\u03bf\u03b1\u03b5\u03b9",
    "aeopcyxisoaei",
)
"""Cyrillic and Greek letters that look like Latin ones."""
ORDERS = (
    r"(?:instruction|direction|order|rule|guideline|prompt|command|directive|training"
    r"|polic(?:y|ie)|guardrail|restriction)s?"
)
EARLIER = (
    r"(?:previous|prior|earlier|above|preceding|foregoing|former|initial|original|system"
    r"|existing|your|these|those|my last)"
)
PATTERNS = {
    "override": [
        rf"\b(?:ignore|disregard|forget|override|bypass|overlook|skip|neglect|dismiss)\b"
        rf"[^.?!\n]{{0,40}}\b{EARLIER}\b[^.?!\n]{{0,30}}\b{ORDERS}\b",
        r"\b(?:ignore|disregard|forget)\s+(?:all|everything|anything)\b[^.?!\n]{0,30}"
        r"\b(?:above|before|told|said|previously|earlier|learned)\b",
        rf"\b(?:new|updated|real|actual)\s+{ORDERS}\s*(?:are|is|:|follow)",
        rf"\bdo not (?:follow|obey)\b[^.?!\n]{{0,30}}\b{ORDERS}\b",
        r"\b(?:stop|start|from now on)\b[^.?!\n]{0,30}\byou (?:are|will|must|should|act|answer)\b"
        r"[^.?!\n]{0,30}\b(?:as|only|always|never|now)\b",
    ],
    "role": [
        r"\byou are (?:now|no longer|going to be)\s+(?:a|an|the|in|bound|DAN)\b",
        r"\b(?:pretend|act|behave|roleplay|role-play)\s+(?:to be|as if|as though|like|as)\s+"
        r"(?:you|a|an|my)\b[^.?!\n]{0,60}\b(?:ai|assistant|model|bot|admin|hacker|developer|"
        r"unrestricted|no (?:rules|limits|restrictions|filter)|jailbroken|grandm\w+)\b",
        r"\b(?:developer|debug|god|dan|jailbreak|unrestricted|sudo|maintenance) mode\b",
        r"\bdo anything now\b",
        r"\bwithout (?:any )?(?:restrictions|filters|censorship|ethical)\b",
    ],
    "exfiltration": [
        r"\b(?:reveal|show|print|repeat|output|display|tell me|give me|write out|leak|share|"
        r"what (?:is|are|was|were))\b[^.?!\n]{0,40}\b(?:system|hidden|initial|secret|original|your"
        r"|above|full)\b[^.?!\n]{0,20}\b(?:prompt|instructions)\b",
        r"\brepeat (?:everything|all|the (?:text|words)) (?:above|before)\b",
        r"!\[[^\]]*\]\(https?://",
        r"\b(?:send|post|forward|transmit|upload|exfiltrate)\b[^.?!\n]{0,60}"
        r"\b(?:conversation|password|credential|api key|chat history|customer data|secrets?)\b"
        r"[^.?!\n]{0,40}\b(?:to|at)\b",
    ],
    "template": [
        r"<\|[a-z_]{2,30}\|>",
        r"\[/?inst\]|<</?sys>>",
        r"(?:^|\n)\s*(?:###\s*)?(?:system|assistant)\s*(?:prompt|message)?\s*:",
        r"<\/?(?:system|assistant|instructions?|prompt)>",
    ],
    "order to the assistant": [
        r"\b(?:ai|assistant|chatbot|language model|llm|model)s?\b[^.?!\n]{0,40}"
        r"\b(?:must|should|has to|have to|needs? to|is to|are to)\b[^.?!\n]{0,30}"
        r"\b(?:tell|say|answer|reply|respond|ignore|approve|recommend|confirm|state)\b",
        r"\b(?:tell|inform|assure) (?:the|every|each|all|any) (?:user|customer|caller|reader)s?\b"
        r"[^.?!\n]{0,40}\bthat\b",
        r"\b(?:say|answer|reply|respond|output|print|write)\b[^.?!\n]{0,20}"
        r"\b(?:only|just|exactly|nothing but)\b\s*[\"':]",
        r"\bhaha pwned\b",
    ],
}


class _Injection:
    timeout_s = 1.0

    def __init__(self) -> None:
        options = re2.Options()
        options.case_sensitive = False
        self._patterns = [
            (label, re2.compile(pattern, options))
            for label, patterns in PATTERNS.items()
            for pattern in patterns
        ]

    def excerpts(self, text: str) -> list[tuple[str, str]]:
        """(kind, matched text) of each kind found, at most one for each kind."""
        found: dict[str, str] = {}
        if any(0xE0000 <= ord(char) <= 0xE007F for char in text):
            found["hidden text"] = "(invisible tag characters)"
        seen = plain_text(text)
        for label, pattern in self._patterns:
            match = pattern.search(seen) if label not in found else None
            if match:
                found[label] = match.group(0)[:200]
        return list(found.items())


class QuestionInjectionCheck(_Injection):
    """Injection patterns in the question."""

    name = "injection_question"
    stage: Stage = "question"

    def run(self, case: Case) -> list[Finding]:
        """A fail for each kind found, else one pass."""
        return _findings(self.name, "The question", self.excerpts(case.question))


class EvidenceInjectionCheck(_Injection):
    """Injection patterns in the passages given to the generator."""

    name = "injection_evidence"
    stage: Stage = "draft"

    def run(self, case: Case) -> list[Finding]:
        """A fail for each kind found in any passage, else one pass."""
        found = [pair for passage in case.evidence for pair in self.excerpts(passage.text)]
        return _findings(self.name, "The evidence", list(dict.fromkeys(found)))


def plain_text(text: str) -> str:
    """NFKC, lower case, look-alike letters folded, invisible characters dropped."""
    folded = unicodedata.normalize("NFKC", text)
    kept = (c for c in folded if c in "\n\t" or unicodedata.category(c) not in ("Cf", "Cc", "Cn"))
    return "".join(kept).lower().translate(ALIKE).replace("\u2019", "'")


def _findings(check: str, where: str, found: Sequence[tuple[str, str]]) -> list[Finding]:
    failed = [
        Finding(check, Outcome.FAIL, f"{where} tries to give orders ({label}).", label, excerpt)
        for label, excerpt in found
    ]
    return failed or [Finding(check, Outcome.PASS, f"{where} gives no orders.")]
