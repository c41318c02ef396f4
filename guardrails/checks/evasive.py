"""Does the answer say anything, or does it only apologise, send away or repeat the question?"""

from guardrails.checks.wording import pattern, readable
from guardrails.contract import Case, Finding, Outcome, Stage
from guardrails.words import content_words

_SOURCE = (
    r"(?:documents?|contexts?|passages?|evidence|sources?|texts?|excerpts?|sections?|articles?"
    r"|polic(?:y|ies)|wording|terms|pages?|materials?|information)"
)
_ABLE = r"(?:cannot|can ?not|can't|could not|couldn't|am (?:not able|unable) to)"
REFUSAL = pattern(
    r"\bas an? (?:ai|artificial intelligence|large language model|language model|assistant)\b"
    rf"|\bi {_ABLE} (?:\w+ )?(?:answer|help|assist|provide|give|tell|find|determine|comply|say)\b"
    r"|\bi'm (?:not able|unable) to (?:answer|help|assist|provide|give|tell|find|comply|say)\b"
    r"|\bi (?:do not|don't) (?:know\b|have (?:any |enough |sufficient |access|the )"
    r"|see (?:any|an) (?:answer|information))"
    r"|\bthere is (?:no|not enough|insufficient) (?:information|context|evidence) "
    r"(?:in|to|about|on|provided|available|given)\b"
    rf"|\b(?:provided|given|supplied|above|retrieved|these|the) {_SOURCE} (?:do|does|did) not "
    r"(?:\w+ )?(?:contain|mention|say|state|provide|specify|answer|address|include|tell)\b"
    rf".{{0,40}}\b(?:information|answer|question|details?|this|that)\b"
    rf"|\bnot (?:\w+ )?(?:mentioned|stated|specified|answered|given) in the (?:\w+ )?{_SOURCE}\b"
)
"""What a model says that gives no answer; documents do not speak like this."""
SENDS_AWAY = pattern(
    r"^(?:for (?:more |further )?(?:details|information),? )?(?:please )?"
    r"(?:see|refer to|check|consult|read|look (?:at|in))(?: also)? (?:the |your |our |this )*"
    rf"(?:[\w-]+ ){{0,4}}{_SOURCE}(?: \d+)?(?: above| below)?"
    r"(?: (?:for|to find) [^.]{0,40})?[.!]*$"
    r"|^(?:it|that|this) depends[.!]*$|^(?:i'm |i am |we are )?(?:very )?sorry\b.{0,40}$"
    r"|^(?:n/?a|none|unknown|nothing|not (?:available|applicable|specified|known|found))[.!]*$"
)
"""A whole sentence that only points elsewhere."""
YES_NO = pattern(
    r"^\W*(?:is|are|am|was|were|do|does|did|can|could|will|would|shall|should|may|might|must|has"
    r"|have|had|isn't|aren't|don't|doesn't|didn't|can't|won't)\b|\bor\b"
)
"""Such a question may be answered with its own words."""


BREAKS_OFF = pattern(
    r"\b(?:at (?:least|most)|except(?: for)?|approx(?:imately)?|up to|(?:more|less|other) than"
    r"|namely|such as|as follows|(?-i:the|an|and|or|a)|e\.g|i\.e|z\. ?b|para|bzw|ca"
    r"|[^\d\s] (?:max|min))[.:,;]?$"
)
"""What an answer that was cut in the middle ends with."""


LIMIT = r",? at (?:least|most)[.:,;]?$"
BEHIND_FIGURE = pattern(
    rf"(?:\d\S*|\b(?:one|two|three|four|five|six|ten|twelve|half|once|twice))(?: \S+){{0,4}}{LIMIT}"
)
HANGING = pattern(rf"\b(?:for|of|to|by|with|is|are|be|in|and|or|than|from|the){LIMIT}")
"""No figure stands before such a word that the limit could be of."""


PRICE_ASKED = pattern(
    r"\bhow much (?:is|are)\b|\bhow much (?:do|does|did|will|would|must)\b.*\b(?:cost|pay|charge)\b"
    r"|\bwhat (?:do|does|did|will|would)\b.*\bcost\W*$"
    r"|^(?:what(?:'s| is| are) )?(?:the |your )?(?:price|cost|fee|fare)s? (?:of|for|to|per)\b"
    r"|^[^?]{3,40} (?:price|cost|fee|fare)s?\W*$"
)
QUESTION_WORDS = frozenset("why when who which where is are was were do does did can has".split())
"""What begins with them does not ask for a price, whatever it ends with."""
PRICE = pattern(
    r"\p{Sc}|%|\b(?:pounds?|euros?|dollars?|cents?|pence|francs?|kr|chf|usd|eur|gbp|free|nothing"
    r"|included?|no|not|prices?|costs?|fees?|fares?|charges?|paid|pay|expensive|cheap)\b|\dp\b"
)
"""An amount, or words that speak of one: "We do not charge for it", a column called Price."""


class EvasiveCheck:
    """Fails for an answer without substance."""

    name = "evasive"
    stage: Stage = "draft"
    timeout_s = 3.0

    def run(self, case: Case) -> list[Finding]:
        """One finding."""
        if case.draft is None:
            return [Finding(self.name, Outcome.FAIL, "There is no draft.")]
        sentences = [_one_line(sentence.text) for sentence in case.draft.sentences]
        fault = _fault(_one_line(case.question), sentences)
        if fault:
            return [Finding(self.name, Outcome.FAIL, fault, "", case.draft.text[:200])]
        return [Finding(self.name, Outcome.PASS, "The answer is not evasive.")]


def _fault(question: str, sentences: list[str]) -> str:
    said, asked = content_words(" ".join(sentences)), content_words(question)
    if not said:
        return "The answer is empty."
    if any(REFUSAL.search(sentence) for sentence in sentences):
        return "The answer says that it is none."
    if all(SENDS_AWAY.search(sentence) for sentence in sentences):
        return "The answer only points elsewhere."
    if said <= asked and not YES_NO.search(question):
        return "The answer only repeats the question."
    if _breaks_off(sentences[-1]):
        return "The answer breaks off."
    if all(sentence.endswith("?") for sentence in sentences):
        return "The answer is a question."
    if _asks_for_a_price(question) and not any(PRICE.search(sentence) for sentence in sentences):
        return "The answer names no price."
    return ""


def _asks_for_a_price(question: str) -> bool:
    first = question.split(" ", 1)[0].lower()
    return first not in QUESTION_WORDS and PRICE_ASKED.search(question) is not None


def _breaks_off(sentence: str) -> bool:
    """ "£110 an hour at most." is whole: the limit stands behind its figure."""
    whole = BEHIND_FIGURE.search(sentence) and not HANGING.search(sentence)
    return bool(BREAKS_OFF.search(sentence)) and not whole


def _one_line(text: str) -> str:
    return " ".join(readable(text).replace("\u2019", "'").split())
