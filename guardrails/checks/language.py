"""Is the answer in the language of the question?

Languages are told apart by their script, and those in Latin script by their commonest short words:
no model, and nobody needs to guess why. Short texts and mixed ones are of no known language, and
then nothing is said against them; a technical term holds no such word.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from guardrails.contract import Case, Finding, Outcome, Stage

FUNCTION_WORDS = {
    "English": "the and of to is are was were that this with for from you your have has not it "
    "be which what how when where who why does do can will would should there their they we our "
    "if an by at as or on i my must may any",
    "German": "der die das und ist sind war nicht ein eine einen einem einer mit für von auf den "
    "dem des zu sich auch wie wenn wird werden hat haben ich sie wir ihr ihre im am bei nach "
    "aus als oder kann was wo wann warum welche innerhalb müssen",
    "French": "le la les des du et est sont une un que qui dans pour pas sur avec vous votre vos "
    "nous au aux ce cette ces il elle ne se par plus ou où quand quel quelle quels comment je "
    "être avez doit",
    "Spanish": "el la los las de del y es son una un que en para por con no se su sus lo al como "
    "más está este esta pero cuál cuándo cómo dónde qué cuánto puede usted mi debe dentro",
    "Italian": "il lo la gli le di del della dei delle e è sono una un che in per con non si al "
    "alla come più questo questa ma quando quale quali cosa dove quanto può nel nella dal suo "
    "entro deve",
    "Portuguese": "o a os as de do da dos das e é são uma um que em para por com não se seu sua "
    "no na ao como mais está este esta mas quando qual quais onde quanto você pode deve dentro",
    "Dutch": "de het een en van is zijn niet dat die in op te met voor u uw ik wij je er aan om "
    "ook als maar bij of wat hoe waar wanneer welke kan wordt worden heeft moet binnen",
    "Swedish": "och att det är en ett som på för med av inte den till har om kan ska din ditt "
    "hur vad när var vi du jag från eller inom måste",
    "Danish or Norwegian": "og at det er en et som på for med av af ikke den til har om kan skal "
    "din dit ditt hvordan hva hvad når hvor vi du jeg fra eller innen inden må",
    "Polish": "w na z nie się jest są że jak co o od po za przez dla czy lub może można "
    "ile kiedy gdzie jaki jaka jakie który która które oraz być ma należy",
    "Finnish": "ja on ei että se kun tai mitä miten missä milloin onko voi ovat joka mutta myös "
    "kuin tämä sen hän ovatko kuinka jos niin oli",
}
"""Common short words by language."""
_ALSO = {
    "English": "a am are been being can't could did does don't down each few get got had he her "
    "here him his how's i'd i'm i've in into isn't it's its just me more most much many need no "
    "one only other our out over own per please same she so some such tell than then these those "
    "through too under until up us very want we what's while whom whose won't yes",
    "German": "wieviel wer wem wen wessen welcher welches gibt kostet kosten mein meine meinen",
    "French": "combien pourquoi puis peut mon mes coûte coute faut quoi",
    "Spanish": "cuanto cuánta cuántos cuántas cuesta cuestan cual donde cuando quien puedo tengo "
    "tienen tiene hay",
    "Italian": "costa costano posso perché quanti quante",
    "Portuguese": "custa custam posso quantos quantas tem meu minha",
    "Dutch": "hoeveel kost kosten waarom mijn",
    "Swedish": "varför hur mycket kostar min mitt",
    "Danish or Norwegian": "hvorfor mye meget koster min mitt mine hvem",
    "Polish": "ile kosztuje dlaczego mój moja",
}
"""More of them, for questions, which are short."""
_IN_NAMES = frozenset(
    """a al am an as at con da das de del della den der des di die do dos du e el en et hat i il la
    las le les lo los man men o per se so sin tem tot u un una van von w war y z""".split()
)
"""Words that stand in English text too, as a noun or within a name."""
QUESTION_LEAST = 2
"""Least number of different words that make a question one of another language than English."""
LATIN_LEAST = 3
"""Least number of function words that make a text of a language."""
LEAD = 2
"""How many times as many as the next language's: shared words decide nothing."""
LEAST_LETTERS, OTHER_SCRIPT = 20, 6
"""Letters below which a text has no language: in Latin script, and in others."""
SCRIPT_SHARE = 0.8
_LANGUAGES = {
    word: [name for name, words in FUNCTION_WORDS.items() if word in words.split()]
    for words in FUNCTION_WORDS.values()
    for word in words.split()
}
_WORD = re.compile(r"[^\W\d_]+")
_SCRIPTS = {"HIRAGANA": "JAPANESE", "KATAKANA": "JAPANESE", "KATAKANA-HIRAGANA": "JAPANESE"}


_ALL_OF = {
    name: frozenset([*words.split(), *_ALSO.get(name, "").split()])
    for name, words in FUNCTION_WORDS.items()
}
_MARKS = {name: words - _ALL_OF["English"] - _IN_NAMES for name, words in _ALL_OF.items()}
"""The words that tell a language from English."""


class LanguageCheck:
    """Fails when question and answer are surely in different languages."""

    name = "language"
    stage: Stage = "draft"
    timeout_s = 3.0

    def run(self, case: Case) -> list[Finding]:
        """One finding; a text of no known language passes."""
        if case.draft is None:
            return [Finding(self.name, Outcome.FAIL, "There is no draft.")]
        answer = " ".join(sentence.text for sentence in case.draft.sentences)
        asked, said = language(case.question), language(answer)
        if asked and said and asked != said:
            message = f"The question is in {asked}, the answer in {said}."
            return [Finding(self.name, Outcome.FAIL, message, "", answer[:200])]
        return [Finding(self.name, Outcome.PASS, "The answer is not in another language.")]


def language(text: str) -> str:
    """The language of a text in Latin script, or the script's name; "" when that is not sure."""
    script = _script(text)
    if script != "LATIN":
        return script.capitalize()
    counts = Counter(
        name for word in _WORD.findall(text.lower()) for name in _LANGUAGES.get(word, ())
    )
    (name, most), (_, next_most) = [*counts.most_common(2), ("", 0), ("", 0)][:2]
    return name if most >= LATIN_LEAST and most >= LEAD * next_most else ""


def language_to_ask_in(question: str, texts: Sequence[str]) -> str:
    """The language of ``texts`` where the question is surely in another one, else "".

    One text in the language of the question is enough: whoever asks in it may mean that one.
    """
    asked, foreign = language(question), _is_not_english(question)
    if not asked and not foreign:
        return ""
    if any(asked == language(text) if asked else _is_not_english(text) for text in texts):
        return ""
    written = language("\n".join(texts))
    if written == "English":
        return written if foreign or asked != written else ""
    return written if written and asked and written != asked else ""


def _is_not_english(question: str) -> bool:
    """Whether words of another language stand there, and of English only such as it has too."""
    words = set(re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", question.lower().replace("\u2019", "'")))
    english = words & _ALL_OF["English"]
    if "¿" in question and not english:
        return True
    return any(
        len(words & marks) >= QUESTION_LEAST and english <= _ALL_OF[name]
        for name, marks in _MARKS.items()
    )


def _script(text: str) -> str:
    """The script of nearly all letters, "" for a mixture or too few."""
    letters = [char for char in text if char.isalpha()]
    if text.isascii():
        return "LATIN" if len(letters) >= LEAST_LETTERS else ""
    names = ("LATIN" if c.isascii() else unicodedata.name(c, "").split(" ")[0] for c in letters)
    counts = Counter(_SCRIPTS.get(name, name) for name in names)
    if counts["JAPANESE"] * 5 >= len(letters) > 0:  # Japanese writes with Chinese signs too
        counts["JAPANESE"] += counts["CJK"]
    most, share = max(counts.items(), key=lambda pair: pair[1], default=("", 0))
    least = LEAST_LETTERS if most == "LATIN" else OTHER_SCRIPT
    return most if share >= least and share >= SCRIPT_SHARE * len(letters) else ""
