"""Greetings, thanks, farewells, and whether one talks to a machine: nothing is searched for these.

By rules over the whole text: one word that is none of these makes it a question.
"""

import re
import unicodedata
from collections.abc import Iterable

GREETED = "Hello! Please ask a question, and it is answered from the documents."
THANKED = "You are welcome. Please ask whenever there is another question."
PARTED = "Goodbye. Please come back whenever there is a question."
NODDED = "All right. Please ask whenever there is another question."
MACHINE = (
    "This is an AI system: it answers from the documents, and people review answers before they "
    "go out where that is needed. Please ask a question."
)

_PART, _OF_DAY = r"(?:quick |small |short )?", "morning|afternoon|evening|day"
_GREETINGS = (
    "hi hello hey heya hiya hullo howdy greetings yo hallo hei hej heisann hola bonjour bonsoir "
    "salut coucou olá ola ciao buongiorno buonasera moin servus grüezi hoi goedemorgen "
    "goedemiddag goedenavond goedendag cześć witam goddag goddagens moi terve ahoj wassup "
    "merhaba namaste salam привет здравствуйте здравствуй こんにちは 你好 您好 안녕하세요 مرحبا"
).split()
_GREETING_PHRASES = (
    rf"good (?:{_OF_DAY})",
    r"how(?: are|'re|'s| is) (?:you|it going|everything|life)(?: doing)?",
    r"how do you do",
    r"what(?:'s| is) up",
    r"(?:nice|pleased|good) to (?:meet|see) you",
    r"(?:is )?any(?:one|body) (?:there|here)",
    r"are you there",
    rf"(?:i have|i've got|i've) an? {_PART}question",
    r"(?:can|could) (?:you|someone|anyone|somebody) (?:please )?help(?: me)?(?: out)?",
    r"i need (?:some |your )?help",
    r"guten (?:morgen|tag|abend)",
    r"grüss gott|hyvää (?:huomenta|päivää|iltaa)",
    r"wie geht(?:'s| es)(?: dir| ihnen)?",
    r"buen[oa]s (?:días|dias|tardes|noches)",
    r"(?:qué|que) tal|cómo estás?|cómo está usted",
    r"ça va|comment (?:ça va|allez[- ]vous)",
    r"bo[ma] (?:dia|tarde|noite)|tudo bem",
    r"come (?:stai|sta|va)",
    r"go[de] (?:morgen|dag|kveld|aften)|god (?:morgon|middag|kväll)",
    r"hvordan (?:har du det|går det)|hur mår du|hoe gaat het",
    r"dzień dobry|dobry wieczór|dobrý den|добрый день|доброе утро",
)
_THANKS = (
    "thanks thankyou thx ty cheers danke dankeschön merci gracias obrigado obrigada grazie takk "
    "tak bedankt kiitos dziękuję dzięki спасибо ありがとう "
    "ありがとうございます 谢谢 감사합니다 شكرا"
).split()
_THANK_WORDS = r"(?:thanks|thank you|thx|many thanks)"
_THANKS_PHRASES = (
    rf"{_THANK_WORDS}(?: so much| very much| a lot| again)? for (?:the |your |all |all your )?"
    r"(?:quick |kind |great |fast )*"
    r"(?:help|helping(?: me)?|answers?|reply|replies|response|time|support|information|info"
    r"|everything)",
    r"thank (?:you|u)",
    r"(?:many|much) thanks",
    r"(?:that|this) (?:was|is) (?:very |really |so )?(?:helpful|great|useful|perfect|all)",
    r"(?:that's|thats) (?:very |really )?(?:all|helpful|great|perfect|it)",
    r"(?:i |much )appreciate(?:d| it| that)?",
    r"vielen dank|herzlichen dank|danke schön|besten dank",
    r"merci (?:beaucoup|bien)|muchas gracias|muito obrigad[oa]|grazie mille|mille grazie",
    r"tack så mycket|tusen takk|mange tak|takk for hjelpen|tak for hjælpen",
    r"dank (?:je|u)(?: wel)?",
)
_FAREWELLS = (
    "bye byebye goodbye cya adiós adios tschüss tschau arrivederci näkemiin farewell"
).split()
_FAREWELL_PHRASES = (
    r"bye bye|good (?:bye|night)|gute nacht",
    r"see (?:you|ya)(?: later| soon| around| tomorrow)?",
    rf"have (?:a|an) (?:nice|good|great|lovely) (?:{_OF_DAY}|one|weekend|time)",
    r"take care|talk to you (?:later|soon)",
    r"(?:auf wiedersehen|au revoir|bonne journée|hasta (?:luego|pronto|mañana)|até (?:logo|breve))",
    r"(?:ha det|ha det bra|hej då|vi ses|tot ziens|do widzenia|до свидания|さようなら|再见)",
)
_NODS = (
    "ok okay okey k alright great perfect super awesome excellent wonderful cool nice yes yep yeah "
    "no nope sure lol haha understood gotcha"
).split()
_NOD_PHRASES = (
    r"all (?:right|good)|got it|i see|i understand|no problem|never mind|nevermind",
    r"no,? (?:thanks|thank you)|sounds (?:good|great)|well done|good (?:job|bot|work)",
)
_MADE_OF = (
    r"(?:an? )?(?:real |actual |live )?(?:chat ?bot|bot|robot|machine|computer|ai|human(?: being)?"
    r"|(?:real )?person)"
)
_MACHINE_PHRASES = (
    rf"(?:are|r) (?:you|u) {_MADE_OF}(?: or {_MADE_OF})?",
    rf"(?:am i|are we) (?:talking|speaking|chatting|writing) (?:to|with) {_MADE_OF}"
    rf"(?: or {_MADE_OF})?",
    rf"is this {_MADE_OF}(?: or {_MADE_OF})?",
    r"who am i (?:talking|speaking|chatting|writing) (?:to|with)",
    r"(?:who|what) are you",
    r"bist du ein (?:bot|mensch|roboter)|es-tu un (?:robot|humain)|eres un (?:robot|humano|bot)",
)
_FILLERS = frozenset(
    """there again all everyone everybody folks team guys sir madam dear bot assistant friend my
    you your so much very a lot and then now for today tonight this everything well fine just oh ah
    um hmm please too me it's really kindly""".split()
)
_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")


def _kind(words: Iterable[str], phrases: Iterable[str]) -> re.Pattern[str]:
    """Whole words and phrases of one kind, folded as ``casefold`` does; phrases come first."""
    one_of = "|".join([*phrases, *map(re.escape, words)])
    return re.compile(rf"(?<![^\W_])(?:{one_of})(?![^\W_])")


_KINDS = (
    (MACHINE, _kind((), _MACHINE_PHRASES)),
    (PARTED, _kind(_FAREWELLS, _FAREWELL_PHRASES)),
    (THANKED, _kind(_THANKS, _THANKS_PHRASES)),
    (GREETED, _kind(_GREETINGS, _GREETING_PHRASES)),
    (NODDED, _kind(_NODS, _NOD_PHRASES)),
)
"""What asks comes first, then the last thing that is said in a talk: "Thanks, bye" parts."""
LONGEST = 120
"""Characters above which a text is looked at no further."""


def reply_to(text: str) -> str:
    """A short reply where the whole text is small talk, else "": it is a question."""
    if len(text) > LONGEST:
        return ""
    rest = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    reply = ""
    for said, pattern in _KINDS:
        rest, times = pattern.subn(" ", rest)
        reply = reply or (said if times else "")
    return reply if _FILLERS.issuperset(_WORD.findall(rest)) else ""
