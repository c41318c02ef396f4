"""Postal addresses, as the countries write them."""

from guardrails.checks.wording import pattern
from guardrails.personal_data.matching import finder

# Without an upper count: RE2 would write out the class of all letters once for each.
_NAMED = r"(?-i:\p{Lu})[\p{L}'’.-]*"
_SMALL = (
    r"(?:(?:de|du|des|da|do|dos|das|di|dei|degli|delle|del|della|la|le|les|los"
    r"|las|von|van|der|den|am|an|im) "
    r"|[dl]['’])"
)
_UNIT = r"(?:[,\s]{1,3}(?:apt|apartment|suite|unit|flat|floor)\.? ?#?\w{1,5})"
_TAIL = (
    rf"{_UNIT}?(?:[,\s]{{1,3}}{_NAMED}(?:[ ,]{{1,2}}{_NAMED}){{0,4}}[,\s]{{1,3}}"
    r"(?:[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|\d{4,6}(?:-\d{3,4})?)\b)?"
)
_STREET_END = (
    r"(?:street|st|road|rd|avenue|ave|lane|ln|drive|dr|boulevard|blvd|court|ct|square|sq|squares"
    r"|place|pl|terrace|crescent|close|parade|highway|parkway|pkwy|way|parks|streets|union)\b\.?"
)
_STREET_SUFFIX = (
    r"(?:stra(?:ß|ss)en?|str\.|weg|gasse|gassli|allee|platz|ufer|damm|straat|laan|plein"
    r"|gracht|kade|dijk|brücke"
    r"|singel|gatan|gata|v[äa]gen|vej|vegen|veien|gaden?|all[eé]|stræde|vænget?|toften|str[aæ]ti"
    r"|katu|kuja|tie|tanja|polku)"
)
_STREET_LAST = r"(?:stra(?:ß|ss)e|weg|gasse|allee|platz|terrasse|gade|vej|väg|vei|tee|puiestee)"
_STREET_WORD = (
    r"(?:rue|avenue|av\.|boulevard|bd|chemin|impasse|all[ée]e|quai|place|route|via|viale"
    r"|piazza|corso|vicolo"
    r"|calle|c/|trg|r[uú]a|avenida|avda\.|plaza|paseo|carrera|travessa|pra[çc]a|largo|ul\.|ulica"
    r"|ulice|al\.|os\.|aleja)"
)
_HOUSE = r"\d{1,4}(?: ?[a-z]\b)?\b"
_NUMBER_FIRST = r"\d{1,6}[a-z]?,?"
_LIVES = (
    r"\b(?:(?:lives?|lived|living|resid(?:es?|ing)|delivered|arrived|off) at"
    r"|(?:new |my |home |billing |postal |mailing |street )?address(?: is| to|:| at| with)"
    r"|address\? it is|(?:moved?|deliver|ship|delivered|shipped) to|live in)[:\s]{1,3}"
)
_COUNTRY = (
    r"\b(?:argentina|australia|austria|belgium|brazil|bulgaria|canada|chile|croatia|cyprus|czechia"
    r"|czech republic|denmark|estonia|finland|france|germany|greece|greenland(?:er)?|hungary"
    r"|iceland|india|ireland|italy|japan|latvia|lithuania|luxembourg|malta|mexico|netherlands"
    r"|new zealand|norway|poland|portugal|romania|slovakia|slovenia|south africa|spain|sweden"
    r"|switzerland|tunisia|turkey|ukraine|united kingdom|united states|uruguay|usa)"
)
_DATED = pattern(
    r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tues|wednes|thurs|fri|satur|sun)"
    r"(?:uary|ruary|ch|il|e|y|ust|t?ember|ober|day)?\b"
)


def _has_no_date(text: str) -> bool:
    return not _DATED.search(text)


_HUNGARIAN = r"(?:utca|út|u\.|tér|körút|krt\.|sétány)"
_NAMES = rf"{_SMALL}{{0,3}}{_NAMED}(?: {_SMALL}{{0,2}}{_NAMED}){{0,3}}"
ADDRESSES = (
    finder(rf"\d{{1,5}}[A-Za-z]?,? (?:\d{{1,5}} )?(?:{_NAMED} ){{1,4}}{_STREET_END}{_TAIL}"),
    finder(rf"(?:\d{{1,6}} )?{_NAMED}{_STREET_SUFFIX} {_HOUSE}{_TAIL}"),
    finder(rf"\d{{1,6}} \p{{L}}{{2,}}{_STREET_SUFFIX} {_HOUSE}{_TAIL}"),
    finder(rf"(?:\d{{1,6}} )?{_NAMED}(?: {_NAMED})? {_STREET_LAST} {_HOUSE}{_TAIL}"),
    finder(
        rf"{_LIVES}({_NUMBER_FIRST} {_NAMED}(?: {_NAMED}){{0,3}} {_HOUSE}{_TAIL})",
        _has_no_date,
        group=1,
    ),
    finder(
        rf"{_LIVES}({_NAMED}(?: {_NAMED}){{0,3}} {_HOUSE}, {_NAMED}{_TAIL})", _has_no_date, group=1
    ),
    finder(
        rf"{_NAMED}(?: {_NAMED}){{0,3}} \d{{1,3}}[a-z]?(?:/\d{{1,3}})?, (?:[A-Z]{{1,2}}-)?"
        rf"(?:\d{{5}}|[3-9]\d{{3}}|1[0-8]\d{{2}}|2[1-9]\d{{2}}) {_NAMED}",
        _has_no_date,
    ),
    finder(rf"(?m){_COUNTRY}[ ,]{{1,2}}(\d{{5,6}})[ \t\r]*$", group=1),
    finder(rf"(?:\d{{1,6}},? )?{_STREET_WORD} {_NAMES},? \d{{1,5}}\b{_TAIL}"),
    finder(rf"\d{{1,5}}(?: bis| ter)?,? {_STREET_WORD} {_NAMES}{_TAIL}"),
    finder(rf"(?:\d{{1,6}} )?{_NAMED}(?: {_NAMED}){{0,2}} {_HUNGARIAN} \d{{1,4}}\.?{_TAIL}"),
    finder(rf"\d{{1,6}} {_NAMED}(?: {_NAMED}){{0,3}}(?: \d{{1,5}})?{_UNIT}{_TAIL}"),
    finder(
        r"(?:(?:h(?:ouse)?|flat|plot|door|shop)\.? ?)?no\.? ?[\w/-]{1,10}"
        r"(?:, ?[\p{L}\d .'-]{2,40}){1,6}[ ,-]{1,3}[1-9]\d{2} ?\d{3}"
    ),
    finder(r"\bp\.? ?o\.? ?box \d{1,6}\b"),
    finder(r"(?:apo|dpo|fpo),? a[aep] \d{5}"),
    finder(r"apt\.? ?#?\d{1,5}[a-z]?"),
    finder(r"(?:psc|cmr|unit) \d{1,5},? box \d{1,5}\s(?:[ad]po|fpo) a[aep] \d{5}"),
    finder(rf"{_NAMED}(?: {_NAMED}){{0,3}}, (?-i:[A-Z]{{2}}) \d{{5}}(?:-\d{{4}})?"),
    finder(r"(?-i:[A-Z]{1,2}\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2})"),
    finder(
        r"\b(?:zip|post(?:al)?)(?: ?code)?(?: is|:) ([A-Z\d]{2,8}(?:[ -][A-Z\d]{2,4})?)", group=1
    ),
)
