"""What a question asks for, by rules: a fact, a definition, a list, a procedure, and so on.

The rules know the forms of English well, the usual ones of German, French, Spanish, Italian and
Dutch, and the slips of hurried typing in the words that they look for.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import lru_cache


class QuestionType(StrEnum):
    """What kind of answer a question asks for."""

    FACT = "fact"
    DEFINITION = "definition"
    LIST = "list"
    PROCEDURE = "procedure"
    YES_NO = "yes_no"
    COMPARISON = "comparison"
    SUMMARY = "summary"
    COUNT = "count"
    OTHER = "other"
    """No question, or none that these rules know: a name alone, a remark."""


@lru_cache(maxsize=512)
def question_type(question: str) -> QuestionType:
    """What ``question`` asks for; ``OTHER`` for what is no question."""
    text = core(question)
    return next((kind for kind, holds in _RULES if holds(text)), QuestionType.OTHER)


@lru_cache(maxsize=512)
def core(question: str) -> str:
    """The question proper: lower case, no accents, the looked-for words spelled right, without
    greetings, what the asker takes back, and clauses that stand before it."""
    text = " ".join(plain(question).split())
    if len(text) > MOST_READ:
        text = f"{text[: MOST_READ // 2]} {text[-MOST_READ // 2 :]}"
    text = _WORD.sub(lambda found: _spelled(found[0]), text.lstrip("\"'(*- "))
    text = _NEGATED.sub(r"\1n't", text)
    text = _ENDS_ASKING.sub("?", _RESTARTS.split(text)[-1] or text)
    before = ""
    while before != text:
        before, text = text, _SUBORDINATE.sub("", _LEADS_IN.sub("", text)).lstrip(" ,")
    return _first_question(text)


def as_question(text: str) -> str:
    """``text`` in the form of a question, which readers know best: what is typed without its mark
    gets one, and a few words that name something are asked for."""
    text = text.strip()
    if not text or text[-1] in ".!?\u2026":
        return text
    words = core(text)
    asks = _QUESTION_WORD.search(words) or _YES_NO.search(words)
    if asks or _TELLS.match(words) or len(words.split()) > MOST_NAMING or not text.isascii():
        return f"{text}?"
    return f"What is the {text}?"


@lru_cache(maxsize=512)
def two_questions(text: str) -> tuple[str, str] | None:
    """The two questions that are asked at once ("How much is it, and when do I pay?"); None for
    one question, or more than two."""
    text = " ".join(text[:MOST_READ].split())
    found = _TWO.fullmatch(text)
    if found is None or len(_ASKS_AGAIN.findall(text)) > 1:
        return None
    first, second = found[1].rstrip(" ?,"), found[2].rstrip(" ?")
    return f"{first}?", _about(second, first) if _LEANS.search(second) else f"{second}?"


@lru_cache(maxsize=512)
def added_question(text: str) -> str | None:
    """What a few words at the end ask besides ("... and why?"), with what that is about; None where
    nothing is added."""
    tail = _TAIL.fullmatch(" ".join(text[:MOST_READ].split()))
    return _about(tail[2], tail[1]) if tail else None


def _about(second: str, first: str) -> str:
    """The second of two questions, which says nothing alone, beside what the first is about."""
    return f"{second} ({_ASKING_WORDS.sub('', first).rstrip(' ?,')})?"


MOST_NAMING = 8
"""Words of a text without a question that only names what is looked for."""
MOST_READ = 600
"""Characters of a question that are looked at: its first ones and its last ones."""
_WORD = re.compile(r"[^\W\d_]+")
_NEGATED = re.compile(
    r"\b(is|are|was|were|do|does|did|has|have|had|ca|could|would|should|wo|must)nt\b"
)
"""A negation as it is typed in haste: "isnt", "wont"."""


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


def _words(*patterns: str) -> str:
    """Any of these as whole words."""
    return rf"\b(?:{'|'.join(patterns)})\b"


# --- the question proper --------------------------------------------------------------------

_AUXILIARY = (
    r"(?:is|are|am|was|were|do|does|did|can|could|will|would|shall|should|may|might|must|has|have|"
    r"had|ought)"
)
_LEADS_IN = _any(
    r"^(?:(?:hi|hello|hey|dear|ok|okay|so|well|and|but|also|then|please|thanks|thank you|sorry|"
    r"quick question|question|just|now|excuse me|by the way|guten tag|hallo|bitte|bonjour|hola|"
    r"ciao|por favor|s'il vous plait)\b[ ,:;.!\u2026-]*)+",
    r"^(?:can|could|would|will) (?:you|u|someone|anyone|anybody) (?:please |kindly )?"
    r"(?:tell|say|explain to|show|let)(?: (?:me|us))?(?: know)?(?: please)? (?=wh|how|if|is|do)",
    r"^(?:do you|does anyone|d'you) know (?=wh|how|if)",
    r"^(?:please )?(?:tell|let) (?:me|us)(?: know)? (?=wh|how|if)",
    r"^i(?:'d| would)? (?:want|like|need|wish|love) to (?:know|find out|ask|understand) ",
    r"^i(?:'m| am|'ve| have)? (?:wonder(?:ing|ed)?|asking|curious)(?: about)?[ ,:]+(?=wh|how|if)",
)
_SUBORDINATE = _any(
    r"^(?:according to|along with|in(?! a nutshell| short| brief)|when|if|for|on|at|after|before|"
    r"during|as|while|with|since|under|by)\b[^,?]{1,120}, "
    rf"(?=(?:and )?(?:wh\w*|how|{_AUXILIARY})\b)"
)
_RESTARTS = _any(
    r"\b(?:no,? wait|wait,? no|i mean|or rather|scratch that|sorry)\b[ ,:.\u2014\u2026-]*"
)
"""What stands before it is taken back: "How long, no wait, how many …"."""
_ENDS_ASKING = re.compile(r"[\s?.!]*\?[\s?.!\"')]*$")
_SENTENCE_END = re.compile(r"(?<=[.!?\u2026])\s+")
_KEYWORDS = tuple(
    """how what which when where why who does many much difference between compare versus summarise
    summarize summary overview explain describe define meaning list steps procedure number about
    should could would cover covered allowed""".split()
)
_OTHER_WORDS = frozenset(
    """covers allow then than there were here hat that bout shed wold cold sold shoulder way wow
    show now low hot hen whey doe goes dose docs mans any man money might mean meanings lists last
    lost least stops step numbers members coven over lower recover comparable compared compares
    refine explains explained described describes summaries whose whom whet wheat whit white while
    heat chat host hoe procedures stew abut above wholes done doses use""".split()
)
"""Words that are one slip away from a looked-for one, and right."""


def plain(text: str) -> str:
    """Lower case, straight apostrophes, no accents and no signs that open a question."""
    folded = unicodedata.normalize("NFKD", text.casefold().replace("\u2019", "'"))
    return "".join(c for c in folded if not unicodedata.combining(c) and c not in "\xbf\xa1")


def _first_question(text: str) -> str:
    """The first sentence that is a question, where there is more than one sentence."""
    pieces = [piece for piece in _SENTENCE_END.split(text) if _WORD.search(piece)]
    asking = [piece for piece in pieces if piece.endswith("?") or _QUESTION_WORD.match(piece)]
    return (asking or pieces or [text])[0].rstrip(" .!")


@lru_cache(maxsize=4096)
def _spelled(word: str) -> str:
    """The looked-for word that is one slip away from ``word``, else ``word``."""
    if len(word) < 3 or word in _OTHER_WORDS or word in _KEYWORDS:
        return word
    near = (known for known in _KEYWORDS if abs(len(known) - len(word)) < 2)
    return next((known for known in near if _one_slip(word, known)), word)


def _one_slip(word: str, known: str) -> bool:
    """Two neighbours changed places; in longer words also a letter too many or too few."""
    if len(word) == len(known):
        apart = [n for n in range(len(word)) if word[n] != known[n]]
        if len(apart) != 2 or apart[1] != apart[0] + 1:
            return False
        first, second = apart
        return word[first] == known[second] and word[second] == known[first]
    longer, shorter = (word, known) if len(word) > len(known) else (known, word)
    return len(known) > 4 and shorter in _without_one(longer)


def _without_one(word: str) -> Iterator[str]:
    return (word[:n] + word[n + 1 :] for n in range(len(word)))


_BEGINS = rf"(?:what|how|which|who|when|where|why|{_AUXILIARY})\b"
_TWO = re.compile(
    rf"({_BEGINS}.{{12,}}?)(?:\?|,? and(?: also)?|, but) ({_BEGINS}.{{8,}})", re.IGNORECASE
)
_TAIL = re.compile(
    rf"({_BEGINS}.{{12,}}?)(?:\?|,? (?:and|but)(?: also)?|,)(?: if (?:so|not|yes|no),?)? "
    r"(why(?: not)?|how (?:much|long|often)|when|where|who)(?: is (?:it|that)| so| exactly)?\W*",
    re.IGNORECASE,
)
"""A second question of one word or two: "... and why?"."""
_LEANS = re.compile(
    r"\b(?:it|its|they|them|their|this|these|that|those)\b|^what (?:are|were|is) the \w+$",
    re.IGNORECASE,
)
_ASKING_WORDS = re.compile(
    rf"^(?:how (?:much|many|long|often)|what|which|who|how|when|where|why)?(?:\s+{_AUXILIARY})?\s+",
    re.IGNORECASE,
)
_ASKS_AGAIN = re.compile(rf"(?:\?|\band(?: also)?|, but) {_BEGINS}", re.IGNORECASE)


# --- the types ------------------------------------------------------------------------------

_COUNT = _any(
    r"\bhow many\b",
    r"^(?:the |total )*number of\b|^count\b",
    r"\bwhat(?:'s| is| was| are) the (?:total |exact |full )?(?:number|count) of\b",
    r"\bwie ?viele\b|\bcombien (?:de |d')|\bcuant[oa]s\b|\bquant(?:i|e|os|as)\b",
    r"\bhoeveel (?!kost|geld|tijd|bedraag)",
)
_MORE = (
    r"\b(?:better|worse|cheaper|dearer|faster|slower|longer|shorter|larger|bigger|smaller|higher|"
    r"lower|older|newer|safer|stronger|easier|more|less)\b"
)
_COMPARISON = _any(
    _words(r"differen(?:ces?|tiates?)", "differs?", "compar(?:ed?|es|ing|ison)", "versus", "vs"),
    r"^what distinguishes\b|\bdistinguish between\b",
    r"\bdifferent (?:from|than|to)\b|\bany different\b|\bsimilarit(?:y|ies)\b",
    r"\b(?:the same|alike) or (?:different|not)\b",
    rf"^(?:what|which|who|where)\b.*{_MORE}.*(?:\bor\b|^[^,]*\boption\b)",
    r"^(?:what|which) (?:is|are|one is|would be) (?:the |a |an )?(?:better|best option)\b",
    r"\b(?:pros and cons|advantages?|benefits?) (?:of )?.* over\b",
    rf"^(?!{_AUXILIARY}\b|how\b|wh|in\b)(?:\S+ ){{1,4}}or (?:\S+ ?){{1,4}}\?$",
    _words(r"unterschiede?n?", r"unterscheide\w*", r"vergleich\w*", "gegenuber", "diferencias?"),
    _words(r"compar(?:er|ez|ar|a|acion|are)", "differenz[ae]", r"verschil\w*", r"vergelijk\w*"),
)
_SUMMARY = _any(
    _words(r"summar(?:y|ies|i[sz]\w*)", "overview", "outline", "recap", "gist", "tl;? ?dr"),
    _words("in a nutshell", "key (?:points|takeaways)", "main (?:points|ideas)", "highlights"),
    r"^(?:briefly )?(?:(?:can|could|would|will) you )?(?:please )?(?:briefly )?"
    r"(?:describe|explain|discuss|introduce)\b(?! (?:how|why|wh))",
    r"\btell me (?:\w+ )?(?:about|all|everything)\b",
    r"\bgive me (?:the |a |an )?(?:short |brief )*"
    r"(?:idea|rundown|description|introduction|information)\b",
    r"\bwhat (?:do|does|did) [^?]{2,80} (?:say|tell us|state) (?:about|on|regarding)\b",
    r"\bwhat is (?:said|written|stated|known) (?:about|on|in)\b",
    r"\bwhat(?:'s| is| are) .{3,80} about$",
    r"^(?:what(?:'s| is| are) )?(?:your|the|our|their) (?:[\w-]+ ){1,4}(?:policy|policies|rules)"
    r"\??$",
    _words("zusammenfassung", "uberblick", r"resum(?:ee|er|en|ez|ir)", r"riassu\w+"),
    r"^resume\b",
    _words(r"riepilog\w+", r"samenvatt\w+", "overzicht", "apercu"),
    r"^(?:fasse?|vat)\b.*\b(?:zusammen|samen)\b",
    r"^(?:was steht|was sagt|que dit|que dice|cosa dice|wat zegt)\b",
)
_HOW_FACT = _any(
    r"^how (?:much|long|often|far|big|large|old|tall|high|low|deep|wide|heavy|fast|soon|late|"
    r"early|quickly|likely|hot|cold|sure|close|near|strong|expensive|safe|well|bad|good|come)\b",
    rf"^how {_AUXILIARY}\b(?! (?:i|we|you)\b).*"
    r"\b(?:helps?|contribut\w+|relat\w+|affect\w*|influenc\w+|impact\w*|improve|enhance|reflect|"
    r"react\w*|vary|feel|treat)\b",
    r"^how (?:did|was|had)\b(?! (?:i|we|you)\b)",
)
_PROCEDURE = _any(
    r"^(?!what|which|who|when|where|why).*\bhow (?:to|do|does|can|could|should|must|may|would|"
    r"might|is|are|were|was|will|exactly|best)\b",
    r"^how (?:i|we|you|one|people|can|2)\b|\bhow i (?:can|do|could|should)\b",
    r"\b(?:what|which)(?: are| is|'s)? (?:the )?"
    r"(?:(?:exact|right|correct|usual|first|next|best|two|three|four|five|main|necessary) )*"
    r"(?:steps?|procedures?|process|way to|instructions?|stages|workflow)\b",
    r"^(?:the )?(?:steps?|procedure|process|instructions?|guide) (?:to|for|of)\b",
    r"\bwhat (?:do|should|must|can|shall) (?:i|we|one|you) do"
    r"(?:$|\?| (?:to|if|when|in|after|before|about|first|next)\b)",
    r"\bwalk (?:me|us) through\b|\b(?:explain|describe|show me) how\b",
    r"^wie (?:kann|konnen|muss|muss\w+|soll\w*|mache?|geht|funktioniert|bekomm\w+|erhalt\w+|"
    r"beantrag\w+|meld\w+|stell\w+|ander\w*|kundig\w+|losch\w+)\b",
    r"^comment\b(?! (?:s'appelle|va))|^como\b(?! (?:se llama|esta\b))",
    r"^come (?:si|posso|faccio|devo|funziona)\b",
    r"^hoe (?:kan|moet|werkt|vraag|maak|doe|krijg|zeg|meld|stel)\b",
)
_PREPOSITION = r"(?:of|in|on|at|by|to|for|from|with|after|before|during)"
_NO_PLURAL = (
    r"(?:is|was|does|has|its|this|days|times|class|means|happens|makes|causes|says|takes|applies|"
    r"counts|costs|gives|brings|comes|shows|helps|keeps|contains|provides)\b"
)
_LIST = _any(
    r"^(?:list|name|enumerate|give me (?:a |the )?(?:list|examples|names))\b",
    r"\b(?:what|which) (?:are|were) (?:\S+ ){0,7}?\w+s\b",
    r"\b(?:what|which)(?: are| were)? (?:the |some |other )?(?:additional )?"
    r"(?:two|three|four|five|six|seven|several|various|different|other|kinds|types|sorts)\b",
    rf"^(?:in )?(?:what|which) (?:(?!{_AUXILIARY}\b|{_PREPOSITION}\b)\w+ ){{0,3}}?"
    rf"(?!{_NO_PLURAL})\w+[^su'\W]s(?= (?!{_PREPOSITION}\b)|$)",
    r"^(?:list|examples?|types?|kinds?|benefits?|advantages?|symptoms?) of\b|^requirements? for\b",
    r"^pros ?(?:/|and) ?cons\b|^documents? (?:needed|required)\b|^exclusions\b",
    r"\bwhat (?:documents|papers|information|things|items) (?:do|does|must|should|can|are|is)\b",
    r"\bwhat (?:do|should|must) (?:i|we) (?:need|bring|pack|have)\b",
    r"\bwhat is(?:n't)? (?:\w+ ){0,3}(?:included|covered|excluded)\b",
    r"^welche (?!\w+ (?:ist|hat|gilt|wird)\b)|^(?:nenne?|liste|noem|enumera|elenca)\b",
    r"^quel(?:le)?s (?:sont|documents)\b|^(?:cuales|que \w+s)\b|^quali\b|^welke \w+en\b",
)
_DEFINITION = _any(
    r"^(?:what|wat|whats|what's) (?:is |are |was |were )?(?:meant by |exactly is )?"
    r"(?:an? |the (?:term|word|meaning of|definition of) )(?!.*\b(?:way|good)\b)",
    r"\bwhat (?:do|does|did) .{1,80} (?:mean|stand for|refer to)\b",
    r"^define\b|\b(?:definition|meaning) of\b|\bwhat is meant by\b",
    r"\bnot understand\w* (?:this|the|what)\b",
    r"^(?:was|wat) (?:ist|sind|is|zijn) (?!der|die|das|de |het |mein|dein|euer|mijn)",
    r"\bwas (?:bedeutet|heisst)\b|\bwat betekent\b",
    r"^qu'est[- ]ce qu|\bque (?:signifie|veut dire)\b|^que (?:es|son|significa)\b",
    r"^(?:che )?cos'? ?e\b|^che cosa (?:e|significa)\b",
    r"^(?:what's|whats|what (?:is|are|was)) (?!(?:the|my|your|our|their|his|her|its|this|that|"
    r"these|those|some|more|most|it|they|included|covered|excluded|needed|required|allowed|"
    r"important|there|going|new|happening|to|being|said|known|wrong|next|sometimes|one|two|three|"
    r"four|five|people's|another)\b)"
    r"(?!.*\b(?:of|in|on|at|by|to|with|during|located|called)\b)[^?]{1,80}\??$",
)
_YES_NO = _any(
    rf"^{_AUXILIARY}(?:n't|nt)?\b",
    r"^(?:whether|any|anyone|ain't|cannot)\b|^if (?!.*\b(?:wh(?:at|ich|o|en|ere|y)|how)\b)",
    r"^(?:are you saying|does that mean)\b|^i \w+ing\b.*\?$",
    rf"[:,-] (?:{_AUXILIARY})\b[^?]*\?$",
    r"^(?:ist|sind|bin|kanns?t?|konnen|darf|durfen|muss|mussen|hat|haben|habe|gibt es|wird|werden|"
    r"sollt?e?|gilt|gelten|deckt|zahlt|bekomme)\b",
    r"^(?:est|sont|puis|peut|peux|faut|dois|ai|as|a|y a)[- ](?:ce qu|t[- ]|je|on|ils?|elles?)",
    r"^(?:puedo|puede|se puede|hay|es|esta|tengo que|debo|tiene|incluye|cubre|son)\b",
    r"^(?:posso|puo|si puo|c'e|e (?:possibile|gratis|gratuit[oa]|compres[oa]|inclus[oa])|devo|"
    r"ci sono|sono|copre|include)\b",
    r"^(?:kan|mag|moet|heb|heeft|zijn|wordt|worden|krijg|dekt)\b",
)
_ALTERNATIVE = _any(r"\bbefore or after\b|\beither\b")
_QUESTION_WORD = _any(
    _words("what", "which", "who", "whom", "whose", "when", "where", "why", "how", "what's"),
    _words("wer", "wem", "wen", "wann", "wo", "warum", "wie", "was", "welche[rsn]?", "wessen"),
    _words("qui", "quand", "pourquoi", "quel(?:le)?s?", "combien", "qu'est", "whats", "whos"),
    _words("quien", "cuando", "donde", "cual", "cuanto", "que", "chi", "dove", "perche", "quale"),
    _words("quanto", "waar", "wanneer", "waarom", "wat", "welke", "hoe", "hoeveel"),
)
_TELLS = _any(
    r"(?:i|we|you|he|she|it|they|there|my|our|your|this|that|the|an?|if|to)\b",
    r"(?:please|tell|say|show|list|name|give|find|get|help|need|want|explain|describe|define|compare"
    r"|summari[sz]e|enumerate|difference|meaning|definition)\b",
)
"""How a remark or an order begins."""
_VALUE = _any(
    r"\b(?:cost|price|fee|excess|limit|deadline|date|address|phone|email|e-mail|hours|times?|rate|"
    r"amount|period|number|contact|notice|deposit|temperature|capacity|size|weight|age|minimum|"
    r"maximum|max|min|allowance|warranty|opening|closing|due|until|per)\b"
)
"""What a search without question form looks for."""

_RULES: tuple[tuple[QuestionType, Callable[[str], object]], ...] = (
    (QuestionType.COUNT, _COUNT.search),
    (QuestionType.COMPARISON, _COMPARISON.search),
    (QuestionType.SUMMARY, _SUMMARY.search),
    (QuestionType.FACT, _HOW_FACT.search),
    (QuestionType.PROCEDURE, _PROCEDURE.search),
    (QuestionType.LIST, _LIST.search),
    (QuestionType.DEFINITION, _DEFINITION.search),
    (QuestionType.FACT, _ALTERNATIVE.search),
    (QuestionType.YES_NO, _YES_NO.search),
    (QuestionType.FACT, _QUESTION_WORD.search),
    (QuestionType.FACT, _VALUE.search),
    (QuestionType.FACT, lambda text: text.endswith("?")),
)
"""The first that holds counts."""
