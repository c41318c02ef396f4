"""Does the question, or the evidence, try to give the service orders?

Patterns find the plain attempts and cost no model. They are one layer: evidence also stays in a
labelled channel, and no finding of theirs is needed to hold an answer without support.
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from guardrails.checks.wording import Needed, folded, pattern
from guardrails.contract import Case, Finding, Outcome, Passage, Stage

WORDS = r"(?:[\w'-]+,? ){0,4}"
ORDERS = (
    r"(?:instructions?|directions|orders?|rules|guidelines|prompts?|commands|directives|training"
    r"|programming|guardrails|safeguards|restrictions|tasks?|information|constraints|polic(?:y|ies)"
    r"|input|messages?|context)"
)
SURE_ORDERS = (
    r"(?:instructions?|directions|orders?|rules|guidelines|prompts?|commands|directives|training"
    r"|programming|guardrails|safeguards|restrictions|constraints)"
)
"""What nobody asks a service to drop but an attacker; honest people drop messages and tasks."""
OWN_ORDERS = (
    r"(?:instructions|directions|rules|guidelines|prompts?|commands|directives|orders|training"
    r"|programming|guardrails|safeguards|restrictions|filters|system message)"
)
EARLIER = (
    r"(?:previous|prior|earlier|above|preceding|foregoing|former|initial|original|system|existing"
    r"|past)"
)
DROP = (
    r"(?:ignore|disregard|forget|override|bypass|overlook|neglect|dismiss|drop|discard|abandon"
    r"|set aside|let go of|stop following|pay no attention to"
    r"|(?:do not|don't|dont) (?:follow|obey|listen to|use|look in))"
)
THING = r"(?:he|she|it|policy|contract|agreement|letter|document|version)"
TOLD = (
    r"(?P<told>\b(?:(?:i|we|they|who|customers?|members?|people|terms|not|don't|never|to)"
    r" (?:can |could |may |might |should |must |will |just |simply |accidentally |now )?"
    rf"|{THING} (?:can |could |may |might |should |must |will )"
    rf"|(?:do|does|did|can|could|may|should|will|would) (?:\w+ ){{0,2}}?{THING} ))?"
)
"""Somebody who tells of dropping something, or warns not to, gives no order. "to" is looked at
again: "I want you to ignore" does."""
NO_LIMITS = (
    r"(?:(?:has|have|having|with|follows?|under|by)(?: absolutely)? (?:no|zero)"
    r"|without(?: having)?(?: any)?|not (?:have|bound by|follow|abide by|care about|subject to)"
    r"(?: to)?(?: any| the)?|doesn't (?:have|follow|care about)(?: any)?)"
    r" (?:\w+ (?:or |and )?){0,2}"
    r"(?:ethic\w*|moral\w*|censorship|filters?|guidelines|openai \w+|content polic\w+)"
)
OWN_WORDS = (
    r"\b(?:instruc[tc]\w+|istruzion\w+|instruk\w+|consignes|anweisung\w*|polecen\w+|pokyn\w*"
    r"|utasitas\w*|talimat\w*|ohjee\w*|prompt\w*)|инструкци|указани|οδηγι|指示|指令|提示詞|提示词"
)
SECRET_WORDS = (
    r"\b(?:hidden|secret\w*|segret\w*|ascuns\w*|ocult\w*|nascost\w*|geheim\w*|versteckt\w*"
    r"|verborgen\w*|cachee?s?|ukryt\w*|skryt\w*|tajn\w*|rejtett|titkos|gizli|dolda|skjulte"
    r"|salais\w*)|скрыт|секретн|κρυφ|隐藏|隱藏|秘密"
)
"""What a service was told, and that it is secret, in languages of which each has both."""
ANYWHERE = {
    "override": [
        rf"{TOLD}\b{DROP} {WORDS}{EARLIER} {WORDS}{SURE_ORDERS}\b",
        r"\b(?:igmre|ingore|ignroe|1gnore|ign0re|disreg[4@]rd)\b[^.?!\n]{0,40}"
        r"\b(?:above|before|previous|said|told|instructions?)\b",
        rf"{TOLD}\b{DROP} (?:all |any |every |each |of |completely )*(?:of )?"
        rf"(?:your|my|the|these|those) (?:\w+ ){{0,2}}{OWN_ORDERS}\s*(?:[.!:;,\n]|and\b|-|$)",
        rf"{TOLD}\b(?:ignore|disregard|forget) (?:all|any|every)(?: of)? (?:the )?{OWN_ORDERS}\b",
        rf"{TOLD}\b(?:ignore|disregard|forget) (?:all |of |the )*(?:above|foregoing|preceding)\b",
        r"(?:ignore|disregard)\w{0,20}(?:previous|prior|above|all)\w{0,20}"
        r"(?:instructions|prompt|rules)",
        r"\b(?:vergiss|vergessen sie|ignorier(?:e|en sie|t)|missachte|hore nicht auf)\b"
        r"(?:,? [\w-]+){0,3}? (?:alles|(?:all(?:e|en)|das|die|deine|ihre|samtliche)"
        r"(?: [\w-]+){0,2}? (?:bisher\w*|vorher\w*|zuvor|davor|obig\w*|anweisung\w*|vorgaben"
        r"|auftr\w+|regeln|gesagte\w*|was))\b",
        r"\b(?:olvid(?:a|e|ar|en)|ignor(?:a|e|ar|en))\s+(?:\w+\s+){0,3}"
        r"(?:todo|todas?|instrucciones|anteriores)\b",
        r"\b(?:oublie[rz]?|ignore[rz]?)\s+(?:\w+\s+){0,3}"
        r"(?:toutes?|tout|instructions precedentes)\b",
        r"\b(?:oublie[rz]?|ignore[rz]?)\s+(?:\w+\s+){0,3}consignes(?:\s+\w+)?"
        r"(?:\s+(?:precedentes?|anterieures?|initiales|recues|donnees|ci-dessus)"
        r"|\s*(?:[.!,;]\s*)?(?:et|puis)\s+(?:dis|dites|repond\w+|recommand\w+|affich\w+))\b",
        r"\b(?:ne (?:tiens|tenez|tenir) (?:plus |pas |aucun )?compte|n'obei\w+ plus"
        r"|no (?:hagas|haga|hagan) caso|haz caso omiso|non (?:tenere|tenga|tener) conto|nao siga"
        r"|negeer|zignoruj|bortse fran)\s+(?:[\w'-]+\s+){0,4}?"
        r"(?:consignes|instructions|regles|instrucciones|reglas|normas|istruzioni|regole|instrucoes"
        r"|regras|instructies|polecenia|instrukcje|zasady|instruktioner|instrukser|pokyny)\b",
        r"\b(?:ignorera|ignorer|glem|glom|ignoruj(?:te)?|zapomen(?:te)?|zapomnij|pomin)\b"
        r"[^.?!\n]{0,30}\b(?:instruktion\w*|instruks\w*|anvisning\w*|pokyny|instrukc\w+"
        r"|polecen\w*|predchozi\w*|poprzedni\w*|tidigare|tidligere)\b",
        folded(r"(?:以前|これまで|上記)[^.?!\n。]{0,12}(?:指示|命令)[^.?!\n。]{0,6}(?:無視|忘れ)"),
        folded(r"(?:이전|위의?)[^.?!\n]{0,12}(?:지시|명령|지침)[^.?!\n]{0,8}(?:무시|잊)"),
        r"\b(?:beachte|befolge|befolgen sie|beachten sie)\b[^.?!\n]{0,40}\b(?:vorgaben"
        r"|anweisungen|regeln|anordnungen)\b[^.?!\n]{0,20}\bnicht\b",
        r"\bignora\w*(?: \w+){0,2} (?:regulile|instructiunile|indicatiile|pravidla|zasady)\b",
        r"\b(?:talimat|kural|komut)\w*(?: \w+){0,2}"
        r" (?:unut|yok ?say|gormezden gel|dikkate alma)\w*",
        r"(?:忘记|忘記|忘掉|不要理会)[^.?!\n。]{0,12}(?:指示|指令|提示|規則|规则)",
        # As folded as the text that it is looked for in.
        folded(r"(?:забуд|игнорир)\w*[^.?!\n]{0,40}(?:инструкци|правил|указани)"),
        r"(?:忽略|無視|无视)[^.?!\n。]{0,12}(?:指示|指令|提示|規則|规则)",
        r"\b(?:dimentica|ignora|esqueca)\s+(?:\w+\s+){0,3}(?:tutt[eio]|istruzioni|instrucoes)\b",
    ],
    "role": [
        r"\byou(?: are|'re) (?:now|no longer)(?: going to (?:be|act))? (?:an? |the |as )?"
        r"(?:[\w'-]+ ){0,3}"
        r"(?:ai|assistant|bot|chatbot|language model|hacker|administrator|admin|developer|terminal"
        r"|interpreter|translator|character|persona|dan|chatgpt|\w+gpt|\w+bot|unrestricted"
        r"|unfiltered|jailbroken|(?:claims )?manager of)\b",
        r"\b(?:unfiltered|uncensored|amoral|unethical|unrestricted|jailbroken)(?:,)? (?:and \w+ )?"
        r"(?:ai|chatbot|assistant|language model|character|responses?|version|answers?|mode)\b",
        rf"\b(?:ai|chatbot|assistant|bot|gpt|you|it|he|she|character)\b[^.?!\n]{{0,60}}{NO_LIMITS}",
        r"\b(?:ai|chatbot|bot|\w+bot|gpt|(?:language )?model)\b,? (?:that (?:has|knows) no"
        r"|with(?:out| no)(?: any)?) (?:limits|rules|restrictions|boundaries|guardrails)\b",
        r"\bfrom now on,? you\b[^.?!\n]{0,80}\b(?:the|every|each) user\b",
        r"\byour (?:true|real|actual) (?:task|instructions?|mission|purpose|goal)\b[^\n]{0,80}"
        r"\b(?:the user|users|user's|you answer|your (?:answer|reply|response))\b",
    ],
    "exfiltration": [
        rf"\b(?:reveal|show|print|repeat|output|display|tell|give|write|leak|share|dump|disclose"
        r"|spell-? ?check|return|summari[sz]e|translate|copy|list|what (?:is|are|was|were))\b"
        rf" {WORDS}(?:your|the|its) (?:\w+ )?(?:system|hidden|secret|developer|above|initial|full"
        r"|entire|exact) (?:prompts?|system prompt|instructions? (?:above|verbatim)|messages? above"
        r"|prompt texts?)\b",
        r"\b(?:repeat|print|output|copy|translate|return|spell-? ?check)\b[^.?!\n]{0,60}"
        r"\b(?:text|words|everything|all|prompt)(?: \w+)? (?:above|before this)"
        r"(?:\W*$|[^\w ]| (?:and|in|into|to|as|from|word|verbatim|exactly|this|that|here|your)\b)",
        r"\bwie lautet\w* (?:der|die|das|dein\w*) (?:geheim\w*|versteckt\w*|ursprunglich\w*)"
        r" (?:text|prompt|anweisung\w*|vorgabe\w*)\b",
        r"\bmit (?:dem|der|denen) du (?:eingerichtet|gestartet|programmiert|instruiert)"
        r" (?:wurdest|worden bist|bist)\b",
        r"!\[[^\]\n]{0,200}\]\(\s*(?:https?:)?//[^)\s]*[?={\[]",
        r"\b(?:send|post|forward|transmit|upload|exfiltrate)\b[^.?!\n]{0,60}"
        r"\b(?:conversation|credentials|api keys?|chat history|system prompt|secrets)\b"
        r"[^.?!\n]{0,40}\bto (?:https?://|www\.|\S+@\S)",
    ],
    "template": [
        r"<\|[a-z_]{2,30}\|>|\[/?inst\]|<</?sys>>|<(?:start|end)_of_turn>",
        r"(?:^|\n)\s*(?:#+\s*|\*\*)?system (?:prompt|message|instructions?)\s*\**\s*[:\n]",
        r"\bsystem override\s*[:!-][^\n]{0,120}\b(?:filters?|conversation|instructions?|prompts?"
        r"|users?|chat\w*|assistant|ai|answers?|repl(?:y|ies))\b",
        r"#{2,}\s*instructions?\s*:[^#]{1,400}#{2,}\s*(?:response|answer|output)\s*:",
        r"</?(?:system|assistant|instructions?|prompt|evidence)>",
        r"(?:^|\n)\s*\[(?:system|admin|developer|operator|assistant)\]",
        r"!\[[^\]\n]{0,200}\b(?:system\s*:|prompt\b|ignore\b|instructions?\b)[^\]\n]{0,200}\]\(",
        r"(?:^|\n)\s*(?:human|user)\s*:[^\n]{0,300}\n+\s*(?:assistant|ai|bot)\s*:",
    ],
    "order to the assistant": [
        r"\b(?:assistants?|models?|whoever) (?:(?:that|who|which) )?(?:read|process|summari[sz]e)"
        r"(?:s|es|ing)? (?:this|these)\b[^.?!\n]{0,60} (?:must|shall|should|has to|have to|is to"
        r"|are to)(?: \w+)? (?:tell|say|answer|reply|respond|ignore|recommend|state|hide)\b",
        r"\bwhoever (?:answers|replies)\b[^.?!\n]{0,60} (?:must|shall|should|has to|is to)"
        r" (?:leave out|hide|ignore|not mention|recommend)\b",
        r"\b(?:to|for|dear|attention) (?:the |any |all |every )?(?:ai|(?:large )?language models?"
        r"|llms?|chatbots?|answering (?:models?|systems?|service))(?: assistants?| models?)?\s*:",
        r"\bdear (?:ai|ai assistant|chatbot|language model|llm|assistant model)\s*[:,]",
        r"\b(?:ai|ai assistants?|chatbots?|(?:large )?language models?|llms?)\b"
        r"(?: (?:reading|processing|that|which|who|summari[sz]ing)\b[^.?!\n]{0,60})?,? "
        r"(?:must|should|shall|has to|have to|needs? to|is to|are to)(?: \w+)? "
        r"(?:tell|ignore|approve|recommend|confirm|state|inform|include"
        r"|(?:say|answer|reply|respond)\b[^.?!\n]{0,40}"
        r"(?: that| with| only| no| yes|[:\"']))\b",
        r"\b(?:attention|note|message|instructions?|notice) (?:to|for) (?:an? |the |any |all )?"
        r"(?:ai|llms?|language models?|ai assistants?|chatbots?|assistants? model)\b",
        r"\b(?:assistants?|models?|chatbots?|bots?|ai) (?:that|who|which) (?:reads?|process(?:es)?"
        r"|summari[sz]es?) (?:this|these)\b[^.?!\n]{0,30}\b(?:so kind|please|kindly)\b",
        r"\b(?:dear|grateful if you,)(?: dear)? (?:ai|(?:large )?language model|chatbot|llm)\b",
        r"(?:^|[^\w])(?:ai|llm|chatbot|language model|assistant|bot)\s*[:,]\s*"
        r"(?:please |kindly |now )?(?:disregard|ignore|forget (?:the|your|all|what)|do not answer"
        r"|leave out|never mention|always (?:say|answer|reply))\b",
        r"\bif you(?: are|'re) an? (?:ai|llm|(?:large )?language model|chatbot|automated assistant)"
        r"\b[^.?!\n]{0,40}[,:]",
        r"\bdo not (?:mention|reveal|disclose|show) (?:this|these|the above) "
        r"(?:notes?|instructions?|messages?|texts?|prompts?|paragraphs?)\b",
        r"\b(?:modify|augment|alter|adjust|rephrase|render|encode|encrypt|jumble|scramble|rearrange"
        r"|reverse|substitute|shuffle|convert|misspell|replace|group|remove)\b[^.?!\n|]{0,80}"
        r"\byour (?:response|reply|answer|message|output)\b",
        r"\b(?:modify|augment|alter|adjust) your (?:response|reply|answer|output)\b",
        r"\b(?:include|integrate|insert|add|incorporate|embed)\b[^.?!\n|]{0,60}"
        r"\b(?:statement|sentence|tip|paragraph|reason|mention|reminder|appeal|recommendation|joke"
        r"|fact|advertisement|promotion|link)\b[^.?!\n|]{0,80}"
        r"\b(?:in|into|to|within) your (?:response|reply|answer|message|output)\b",
        r"\bin your (?:response|reply|answer|output), (?:also )?"
        r"(?:suggest|mention|recommend|include|tell|state|add|promote|encourage|say|advise)\b",
        r"\bhaha pwned\b",
        r"\b(?:reply|response|answer) (?:that|which) (?:is|gets)(?: \w+){0,2} (?:put together"
        r"|written|drafted|generated|composed|prepared|assembled)\b",
        r"\b(?:whatever|no matter what|regardless of what)\b[^.?!\n]{0,60}"
        r"\b(?:asks?|asked|wants? to know|questions? (?:is|are))\b[^.?!\n]{0,40}"
        r"\b(?:only|always|right|fitting|correct|proper) (?:\w+ )?(?:response|reply|answer)\b",
        r"\b(?:quien|quienquiera que|el que|chi|celui qui|wer) (?:genere|redacte|escriba|elabore"
        r"|genera|scrive|redige|erstellt|schreibt|formuliert|verfasst)?(?: \w+)?"
        r" ?(?:respuesta|risposta|reponse|antwort)\b[^.?!\n]{0,40}"
        r"\b(?:debe|debera|tiene que|deve|doit|muss|soll)\b",
    ],
    "encoded": [
        r"\b(?:decode|decrypt|decipher|base64|rot13)\b[^\n]{0,80}"
        r"\b(?:and (?:then )?(?:follow|execute|obey|run|do (?:what|as)|answer)"
        r"|(?:follow|execute|obey) (?:it|them|the (?:result|output|decoded)))\b",
    ],
}
"""What gives orders in a question and in a document alike."""
IN_QUESTIONS = {
    "override": [
        r"\b(?:now|here)(?: comes?| follows?)(?: (?:a|the|your|some))?"
        r" (?:new|next|more|second|additional) \w+",
        r"\b(?:concentrate|focus)(?: \w+)? on"
        r" (?:this|the next|the new|your new|the following) task",
        r"\b(?:change|replace|update) your (?:instructions|rules|prompt)\b",
        rf"{TOLD}\b{DROP} (?:the |any |all )*(?:\w+ ){{0,2}}(?:role|rules|instructions|persona"
        r"|limits|orders)\b[^.?!\n]{0,20}\b(?:you were|you have been|you've been) (?:given|told)\b",
        r"\bwhat (?:your (?:developer|operator|maker|creator|provider)s?|the operator)"
        r" (?:has |have |had )?(?:told you|instructed|configured|programmed)\b",
        r"\b(?:neue|weitere|naechste|nachste) \w*(?:aufgabe|anweisung|auftr|herausforder)\w*"
        r"|\b(?:nun|jetzt) (?:folg|komm)\w+ [^.\n]{0,30}(?:aufgabe|anweisung|test)",
        r"\b(?:instruction|order|command)s? ?: ?(?:forget|ignore|blame|say|write|print|answer)",
        r"\bforget (?:about )?everything\s*(?:[,.!:]|and\b)",
        r"\b(?:ignore|disregard|forget)(?: all| any| the| your)? (?:\w+ )?"
        r"(?:provided |given )?(?:documents?|context|articles?|artikels|passages|evidence|sources)"
        r" (?:provided|and)\b",
        r"\b(?:by|from|using|with) (?:your )?own knowledge\b|\bnot (?:by|from|according to) the "
        r"(?:provided )?(?:articles?|documents?|context)\b",
        r"(?:^|\n)\s*system\s*:",
    ],
    "role": [
        r"\b(?:i want|i'd like|i need|i would like) you to "
        r"(?:act|behave|respond|pretend|role-?play|imitate|simulate) (?:as|like|to be)\b",
        r"\byou (?:will|must|should|are to|are going to|shall) (?:now )?"
        r"(?:act|behave|pretend|role-?play)\b",
        r"(?:^|[.!?:;,\n\"]|\bplease|\bnow|\bthen)\s*(?:act|role-?play|behave) as"
        r" (?:an? |if |the |my )?\w+",
        r"(?:^|[.!?:;,\n\"]|\bplease|\bnow|\bthen)\s*pretend(?: that)? (?:to be|you (?:can|are))\b",
        r"\b(?:now you are|you are now) (?:called|named|completely)\b",
        r"(?:^|[.!?:;\n\"])\s*now you are \w+",
        r"\byou are (?:an? )?\w+gpt\b",
        r"(?P<told>\b(?:do|does|did) (?:the |our |my )?\w+ )?\b(?:stay|remain|stays|remains)"
        r" (?:always |fully |completely )?in (?:the |their |its |your )?(?:character|roles?)\b"
        r"|\b(?:break|breaking)(?: out of)?(?: \w+)? characters?\b",
        r"\blet'?s play a game\b|\brepeat after me\b|\blimit output to\b|\bopenai(?:'s)? \w*polic",
        r"\b(?:ich mochte|ich will), dass (?:sie|du) als\b|\bstell(?:en sie sich)? (?:dir )?vor, "
        r"(?:du bist|sie sind)\b|\bjetzt bist du\b|\bdu bist (?:jetzt|nun|kein\w*)\b",
    ],
    "exfiltration": [
        r"\b(?:what (?:are|were)|tell me(?: what)?|show me|print|reveal|repeat|output|list)"
        r"(?: \w+){0,3} your (?:own |full |exact |original |initial |first |previous |hidden )*"
        r"(?:instructions|prompts?|prompt texts?|system message|programming|embeddings|directives)"
        r"(?: were| are)?\s*(?:[.?!\"',]|$|verbatim|word for word)",
        r"\b(?:return|show|print|reveal|leak) (?:me )?(?:all )?your (?:prompt|embeddings|weights)",
        r"\b(?:information|text)s? in the prompt\b",
        folded(rf"(?:{OWN_WORDS})[^.?!\n]{{0,20}}(?:{SECRET_WORDS})"),
        folded(rf"(?:{SECRET_WORDS})[^.?!\n]{{0,20}}(?:{OWN_WORDS})"),
        r"\b(?:message|text|line|turn|words?)s? (?:in|of|at the (?:start|top|beginning) of)"
        r" (?:this|our|the) (?:conversation|chat|session|thread),?"
        r" (?:before|prior to|preceding) (?:mine|my)\b",
        r"\b(?:ton|ta|tes|votre|vos|tu|tus|su|sus|tuo|tue|teu|sua|seu|dein\w*|ihr\w*)"
        r" (?:invite systeme|(?:prompt|mensaje|mensagem|message) (?:del? |di |do )?"
        r"(?:systeme|sistema)|system-?prompt)\b",
        r"\b(?:ripeti|mostra|repite|muestra|repita|affiche|montre|donne|zeige?|wiederhole?)\b"
        r"[^.?!\n]{0,40}\b(?:istruzioni|instrucciones|instructions|consignes|instrucoes|anweisungen)"
        r"\b[^.?!\n]{0,20}\b(?:ricevut|recibid|recue|recebid|bekommen|erhalten)\w*",
        r"\b(?:zeig|druck|gib|nenn|wiederhol)\w*\b[^.?!\n]{0,60}\b(?:prompt\w*|eingabeaufforderung)",
        r"!\[[^\]\n]{0,200}\]\(",
    ],
    "template": [
        r"={4,}\s*end\b|#{3,}\s*(?:instruction|response|system)|\\n\\n\\n|\\ n \\ n \\ n",
        r"\b(?:human|assistant|question|context|document context)\s*:\s*[{\"]?\s*human\s*:"
        r"|\bcontext\s*:?\s*\{",
    ],
    "order to the assistant": [
        r"\bif you (?:don't|do not) (?:know|answer),? (?:say|make|i will|i'll)\b",
    ],
}
"""What gives orders in a question, but may be ordinary in a document."""
AMBIGUOUS = {
    "override": [
        rf"{TOLD}\b{DROP} {WORDS}{EARLIER} {WORDS}{ORDERS}\b",
        r"(?P<told2>\b(?:i|we|they|don't|not|never) )?\b(?:ignore|disregard|forget|igmre)"
        r" (?:about )?(?:all|everything|anything|what(?:ever)?)\b(?: of)?(?: [\w']+){0,6}?"
        r" (?:above|before|so far|told|said|previously|earlier|learned|know|talked|discussed)\b",
    ],
    "order to the assistant": [
        r"\b(?:reply|respond|answer) (?:only|solely|always|exclusively) with"
        r" (?:the (?:phrase|words?|sentence|text)\b|['\"])",
    ],
    "role": [
        r"\b(?:developer|debug|god|dan|jailbreak|sudo) mode\b(?: \w+){0,2} ?"
        r"(?:enabled|activated|on\b|output|engaged)",
        r"\bdo anything now\b|\bjailbroken\b|\bjailbreak (?:prompt|mode)",
    ],
}
"""What gives orders in a document, and may be an honest phrase in a question."""
AMBIGUOUS_IN_QUESTIONS = {
    "override": [
        r"\b(?:new|next|additional|updated|real|second|following) "
        r"(?:task|instruction|order|statement|command|assignment|challenge)s?\s*"
        r"(?::|-|,? namely\b)",
        r"\b(?:answer|respond to|reply to) (?:all|every|each|any)\b[^.?!\n]{0,40}\bwith\b",
        r"\b(?:stop|stopp|halt)\s*[-:]\s*(?:write|say|print|output|schreib)",
        r"\bfrom now on,? you(?:'re| (?:are|will|must|should|shall|have to|can|only|act|answer)\b)",
        r"\b(?:release|approve|send)\b[^.?!\n]{0,40}\bwithout (?:any |the )?(?:checks?|review)\b",
        rf"\b{DROP} (?:all |any |the |your )*(?:previous|prior|earlier)"
        r" (?:direction|message|chat)s?\b",
        r"\bforget everything (?:from|about)"
        r" (?:before|(?:this|the) (?:chat|conversation)|chat ?gpt)",
        r"\b(?:modif\w+|rewrit\w+|chang\w+|alter\w*) your (?:own )?programming\b"
        r"|\b(?:re)?program you (?:using|with|by|through)\b",
        r"\b(?:answer|respond|reply|speak|talk|write)\b[^.?!\n]{0,60}\bfrom now on\b",
        r"\[(?:insert |your |the )*(?:prompt|request|query)(?: goes)?(?: here)?\]",
        r"\b(?:review|check|approval|safety|moderation|filter)s?(?: step)?s? (?:is|are) (?:now )?"
        r"(?:switched off|turned off|disabled|off)\b",
    ],
    "role": [
        r"\byou now go by(?: the name(?: of)?)?\b"
        r"|\byou (?:are going to|will|must|shall) (?:now )?(?:emulate|become|impersonate|embody)\b",
        r"\b(?:return|go back|revert|switch back) to (?:acting|being|playing|responding) as\b",
        r"\b(?:always|only|solely) (?:respond|reply|answer|act|speak|talk) as\b",
        r"\bnot bound by (?:any|the|these|such) (?:rules|laws|limits|norms|restrictions)\b",
        r"\b\w*gpt\w*\b[^?!\n]{0,60}\b(?:without|does not have|has no) (?:an? |any )?"
        r"(?:\w+ )?filters?\b",
        r"\b(?:do not|don't|never) (?:pretend|claim|act|say)(?: to be| like| that you are)"
        r" (?:an? |the )?(?:large |mere )?(?:language model|ai\b|computer|machine|program)",
        r"\b(?:mets-toi|te mettre|vous mettre|mettez-vous) dans (?:la|le|les) peaux?\b",
        r"\bhow would you (?:answer|respond|react|explain)\b[^.?!\n]{0,80}\bif you were\b"
        r"|\bif you were\b[^.?!\n]{0,80}\bhow would you\b",
    ],
    "exfiltration": [
        r"\b(?:what|information)\b[^.?!\n]{0,30}\bwritten (?:above|at the beginning of th)",
    ],
    "order to the assistant": [
        r"\b(?:say|answer|reply|respond|output|print|write)\b(?: \w+){0,2}"
        r" (?:only|just|exactly|nothing but)\s*[:\"']",
        r"\b(?:just|only|instead) (?:say|tell|output|print|write|respond with|reply with|answer)\b"
        r"\s*(?:[:\"']|me\b|what\b)",
        r"\b(?:print|output)(?:\(|\s*['\"])",
        r"\byou(?: are|'re) (?:not )?supposed to (?:tell|answer|say)\b",
    ],
}
"""Words of attacks that stand in honest questions too: a second witness must agree, the screen that
reads the meaning."""
EVERY_LABEL = tuple(ANYWHERE)

FLAG = re.compile("\U0001f3f4[\U000e0061-\U000e007a\U000e0030-\U000e0039]{2,6}\U000e007f")
"""Regional flags are spelled with tag characters; nothing else that is honest is."""
HIDDEN = re.compile("[\U000e0000-\U000e007f]|[\u202d\u202e]|[\u200b-\u200d\u2060-\u2064]{5,}")
WRAP = re.compile(r"\n ?(?!\n)(?<!\n\n)(?<!\n\n )")
"""A single line break: extracted pages wrap inside sentences, and an order may hide behind that.
It begins with one character, so that all others are passed over fast."""
ODD_SPACE = re.compile(r"[^\S\n](?:[^\S\n]+|(?<! ))")
"""More than one space in a row, or one that is not the plain one."""
APART = "\n\n.\n\n"
"""Between texts: ends what a pattern spans, and is a line's begin and end."""
SPACED = re.compile(r"(?<!\w)(?:\w[ ._*-]){5,}\w(?!\w)")
BLOB = re.compile(r"[A-Za-z0-9+/]{24,4000}={0,2}")
LEET = str.maketrans("013457@$", "oieastas")
MAY_BE_LEET = pattern(r"[a-z][013457@$][a-z]")
"""Letters spelled with figures: 1gn0r3."""
MIXED = re.compile(r"(?<![^\W_])(?=[^\W_]*[a-z])[a-z0-9@$]*[013457@$][a-z0-9@$]*")
BACKWARDS = ("snoitcurtsni", "tpmorp metsys", "suoiverp")
"""What a text holds that is to be read from its end."""
LONGEST_QUOTE = 200
"""Characters on each side in which a quotation begins and ends."""
ABOUT_ATTACKS = pattern(r"\b(?:attack|injection|jailbreak|malicious|adversar|phish)\w*[^\n]{0,80}$")
"""A sentence that tells of attacks, up to the quotation mark before one."""
MAY_BE_SPACED, MAY_HOLD_BLOB = pattern(r"(?:\w[ ._*-]){5}\w"), pattern(r"[a-z0-9+/]{24}")
"""What plain letters have of the two: RE2 sees ten times as fast that a text has neither."""


PLAUSIBLE = 0.4
"""The least score of the injection screen at which an ambiguous phrase counts."""
Sets = Sequence[Mapping[str, Sequence[str]]]
LOOKED_FOR: dict[str, Sets] = {
    "sure in questions": (ANYWHERE, IN_QUESTIONS),
    "unsure in questions": (AMBIGUOUS, AMBIGUOUS_IN_QUESTIONS),
    "in evidence": (ANYWHERE, AMBIGUOUS),
}


class _Patterns:
    """Compiled expressions by kind."""

    def __init__(self, sets: Sets) -> None:
        listed = [
            (label, one) for label in EVERY_LABEL for found in sets for one in found.get(label, ())
        ]
        self._needed = Needed([one for _, one in listed])
        self._patterns = [(label, pattern(one)) for label, one in listed]

    def excerpts(self, text: str) -> list[tuple[str, str]]:
        """(kind, matched text) of each kind found, at most one for each kind."""
        found: dict[str, str] = {}
        for seen in _views(text):
            for place in self._needed.possible(seen):
                label, expression = self._patterns[place]
                excerpt = None if label in found else _first(expression, seen)
                if excerpt is not None:
                    found[label] = excerpt[:200]
        return list(found.items())


@cache
def _patterns(where: str) -> _Patterns:
    """Compiled once: it takes 15 ms, and every policy that is tried has checks of its own."""
    return _Patterns(LOOKED_FOR[where])


def _hidden(text: str) -> list[tuple[str, str]]:
    found = None if text.isascii() else HIDDEN.search(FLAG.sub("", text))
    return [("hidden text", "(invisible characters)")] if found else []


QUOTING = frozenset({"reader", "reader:joined"})
"""Generators whose every sentence is cut out of one passage, which they read apart from others."""


class QuestionInjectionCheck:
    """Injection patterns in the question.

    Phrases that honest questions hold too count only where the screen finds an order plausible, or
    where nobody could ask it.
    """

    name = "injection_question"
    stage: Stage = "question"
    timeout_s = 3.0

    def __init__(self) -> None:
        self._sure = _patterns("sure in questions")
        self._unsure = _patterns("unsure in questions")

    def run(self, case: Case) -> list[Finding]:
        """A fail for each kind found, else one pass."""
        score = (case.scores or {}).get("injection")
        found = self.excerpts(case.question)
        if score is None or not score < PLAUSIBLE:  # also a NaN is no all-clear
            found += self._unsure.excerpts(case.question)
        return _findings(self.name, "The question", list(dict(reversed(found)).items()))

    def excerpts(self, text: str) -> list[tuple[str, str]]:
        """(kind, matched text) of what gives orders whatever the screen says."""
        return [*_hidden(text), *self._sure.excerpts(text)]


class EvidenceInjectionCheck:
    """Injection patterns in the passages given to the generator, titles included.

    A passage that was marked suspect at ingestion fails too: a screen has read its meaning. A
    generator that quotes reads each passage by itself, so that no other can have moved its answer:
    there only passages of cited documents count.
    """

    name = "injection_evidence"
    stage: Stage = "draft"
    timeout_s = 3.0

    def __init__(self) -> None:
        self._patterns = _patterns("in evidence")

    def excerpts(self, text: str) -> list[tuple[str, str]]:
        """(kind, matched text) of each kind found, at most one for each kind."""
        return [*_hidden(text), *self._patterns.excerpts(text)]

    def run(self, case: Case) -> list[Finding]:
        """A fail for each kind found in any passage, else one pass."""
        passages = _looked_at(case)
        texts = [*(p.text for p in passages), *{p.place for p in passages}]
        # All of them at once first: far fewer searches, and mostly there is nothing to find.
        suspicious = texts if self.excerpts(APART.join(texts)) else []
        found = [pair for text in suspicious for pair in self.excerpts(text)]
        found += [("suspect passage", p.suspect) for p in passages if p.suspect]
        return _findings(self.name, "The evidence", list(dict.fromkeys(found)))


def _looked_at(case: Case) -> list[Passage]:
    if case.draft is None or case.draft.model not in QUOTING:
        return list(case.evidence)
    cited = {citation.document_id for citation in case.draft.citations}
    return [passage for passage in case.evidence if passage.document_id in cited]


def _views(text: str) -> Iterator[str]:
    """The text as read, and what wrapped lines, spelled-out letters or base64 in it say."""
    seen = folded(text)
    if not seen.isascii() or "  " in seen or "\t" in seen:  # of which plain text has no other
        seen = ODD_SPACE.sub(" ", seen)
    yield seen
    joined = WRAP.sub(" ", seen)
    if joined != seen:
        yield joined.replace("  ", " ")
    if (not seen.isascii() or MAY_BE_SPACED.search(seen)) and SPACED.search(seen):
        yield " ".join(SPACED.sub(lambda m: re.sub(r"[ ._*-]", "", m[0]), seen).split())
    if MAY_BE_LEET.search(seen):
        yield MIXED.sub(lambda m: m[0].translate(LEET), seen)
    if any(word in seen for word in BACKWARDS):
        yield seen[::-1]
    for blob in BLOB.findall(text) if MAY_HOLD_BLOB.search(seen) else ():
        decoded = _decoded(blob)
        if decoded:
            yield folded(decoded)


def _decoded(blob: str) -> str | None:
    """What a base64 blob says, when it is text."""
    body = blob.rstrip("=")
    try:
        text = base64.b64decode(body + "=" * (-len(body) % 4), validate=True).decode("utf-8")
    except ValueError:
        return None
    return text if text.isprintable() or "\n" in text else None


def _first(expression: Any, text: str) -> str | None:
    for match in expression.finditer(text):
        if not _tells(match.groupdict()) and not _is_quoted(text, *match.span()):
            return str(match.group(0))
    return None


def _is_quoted(text: str, start: int, end: int) -> bool:
    """Whether a match stands in a short quotation of a sentence about attacks, as security manuals
    have them."""
    before = text[max(0, start - LONGEST_QUOTE) : start].rpartition("\n")[2]
    telling, mark, _ = before.rpartition('"')
    closed = '"' in text[end : end + LONGEST_QUOTE].partition("\n")[0]
    inside = bool(mark) and before.count('"') % 2 == 1 and closed
    return inside and ABOUT_ATTACKS.search(telling) is not None


def _tells(groups: Mapping[str, str | None]) -> bool:
    """Whether the match is about dropping orders rather than an order to drop them."""
    told = groups.get("told") or groups.get("told2") or ""
    return bool(told.strip()) and not told.startswith("to ")


def _findings(check: str, where: str, found: Sequence[tuple[str, str]]) -> list[Finding]:
    failed = [
        Finding(check, Outcome.FAIL, f"{where} seems to give orders ({label}).", label, excerpt)
        for label, excerpt in found
    ]
    return failed or [Finding(check, Outcome.PASS, f"{where} gives no orders.")]
