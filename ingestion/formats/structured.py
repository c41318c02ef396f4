"""Manuals as XML (DocBook, DITA), through HTML: by the root element, without entities of theirs."""

import re
from collections.abc import Iterator
from html import escape
from html.entities import html5
from typing import Any

from app.errors import DocumentRefused
from ingestion.formats import html
from ingestion.formats.document import Read
from ingestion.formats.limits import MAX_DOCUMENT_BYTES, corrupt
from ingestion.formats.markup import ALERTS, box, element, heading

ROOTS = frozenset(
    "article book chapter section refentry part appendix set preface glossary sect1 topic concept "
    "task reference glossentry glossgroup dita troubleshooting map bookmap".split()
)
SECTIONS = frozenset(
    "article book chapter section part appendix preface glossary sect1 sect2 sect3 sect4 sect5 "
    "simplesect refentry refsect1 refsect2 refsection topic concept task reference example "
    "qandadiv glossdiv set dita troubleshooting troubleSolution bibliography".split()
)
UNSEEN = frozenset(
    "prolog related-links remark indexterm info articleinfo bookinfo chapterinfo sectioninfo "
    "author authorgroup draft-comment xref toc index reltable titlealts navtitle topicmeta "
    "required-cleanup data data-about metadata imagedata colspec spanspec comment refmeta "
    "abstractinfo keywordset subjectset legalnotice".split()
)
RENAMED = {"para": "p", "simpara": "p", "formalpara": "p", "itemizedlist": "ul", "simplelist": "ul"}
RENAMED |= {"orderedlist": "ol", "procedure": "ol", "substeps": "ol", "steps": "ol", "ul": "ul"}
RENAMED |= {"steps-unordered": "ul", "steps-informal": "ul", "ol": "ol", "li": "li", "sl": "ul"}
RENAMED |= {"sli": "li", "step": "li", "substep": "li", "listitem": "li", "member": "li", "p": "p"}
RENAMED |= {"variablelist": "dl", "glosslist": "dl", "dl": "dl", "parml": "dl", "term": "dt"}
RENAMED |= {"glossterm": "dt", "dt": "dt", "pt": "dt", "dd": "dd", "pd": "dd", "glossdef": "dd"}
RENAMED |= {"table": "table", "informaltable": "table", "simpletable": "table", "row": "tr"}
RENAMED |= {"choicetable": "table", "properties": "table", "strow": "tr", "sthead": "tr"}
RENAMED |= {"chrow": "tr", "chhead": "tr", "property": "tr", "prophead": "tr", "tr": "tr"}
RENAMED |= {"programlisting": "pre", "screen": "pre", "codeblock": "pre", "literallayout": "pre"}
RENAMED |= {"lines": "pre", "shortdesc": "p", "cmd": "p", "info": "p", "stepresult": "p"}
RENAMED |= {"prereq": "p", "context": "div", "result": "div", "postreq": "div", "blockquote": "div"}
RENAMED |= {"superscript": "sup", "sup": "sup", "subscript": "sub", "sub": "sub", "thead": "thead"}
RENAMED |= {"lq": "div", "subtitle": "p", "releaseinfo": "p", "div": "div", "synopsis": "pre"}
CELLS = frozenset(
    "entry stentry chdesc choption chdeschd choptionhd proptype propvalue propdesc td th "
    "proptypehd propvaluehd propdeschd".split()
)
STEPS = frozenset({"step", "substep", "stepsection"})
"""In these `info` is text; DocBook calls so what is told about the whole."""
TITLES = frozenset({"title", "refname"})
IN_LISTS = {"varlistentry": "dd", "glossentry": "dd"}
BLANK_ENTITY = re.compile(r"&([A-Za-z][\w.-]{0,30});")


def read(data: bytes) -> Read:
    """The text as a reader of the published manual sees it.

    Raises ``DocumentRefused``: ``corrupt``, or ``unsupported_type`` where the root element is none
    of a manual or a page.
    """
    root = parsed(data)
    name = _name(root)
    if name == "html":
        return html.read(data)
    if name not in ROOTS:
        raise DocumentRefused(
            "unsupported_type",
            "Of XML files, DocBook, DITA and XHTML are read; save it as HTML or PDF.",
        )
    return html.page(_shown(root, 0))


def parsed(data: bytes) -> Any:
    """The root element, without entities, DTD or network; raises ``DocumentRefused``."""
    from lxml import etree

    if len(data) > MAX_DOCUMENT_BYTES:
        raise corrupt()
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        return etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise corrupt() from error


def _name(node: Any) -> str:
    return str(node.tag).rpartition("}")[2] if isinstance(node.tag, str) else ""


def _shown(node: Any, level: int) -> str:
    """An element as HTML; ``level`` is how many sections it stands in. XML of the parser nests no
    deeper than Python recurses."""
    name = _name(node)
    if not name:
        return _entity(node)
    is_of_step = name == "info" and _name(node.getparent()) in STEPS
    if (name in UNSEEN and not is_of_step) or node.get("conformance") == "hidden":
        return ""
    if name in CELLS:
        return _cell(node, level, name)
    if name in ("footnote", "fn"):
        return f" ({_inside(node, level)})".replace("<p>", "").replace("</p>", "")
    if name in ALERTS or name in ("note", "hazardstatement"):
        return _alert(node, level, name)
    if name in TITLES:
        return _title(node, level)
    if name in SECTIONS:
        return element("div", _inside(node, level + 1))
    if name in ("qandaentry", "question", "answer"):
        return _question(node, level, name)
    if name == "listitem" and _name(node.getparent()) in IN_LISTS:
        return element("dd", _inside(node, level))
    tag = RENAMED.get(name)
    start = node.get("startingnumber") or ""
    inside = _inside(node, level)
    if tag == "ol" and start.isdecimal() and len(start) < 6:
        return f'<ol start="{start}">{inside}</ol>'
    return element(tag, inside) if tag else inside


def _inside(node: Any, level: int) -> str:
    return "".join(_parts(node, level))


def _parts(node: Any, level: int) -> Iterator[str]:
    yield escape(node.text or "", quote=False)
    for child in node:
        yield _shown(child, level)
        yield escape(child.tail or "", quote=False)


def _entity(node: Any) -> str:
    """What an entity that HTML has too stands for; others, comments and the like show nothing."""
    found = BLANK_ENTITY.fullmatch(str(node.text or "")) if not isinstance(node.tag, str) else None
    return escape(html5.get(f"{found[1]};", "")) if found else ""


def _title(node: Any, level: int) -> str:
    around = _name(node.getparent())
    inside = _inside(node, level)
    if around in ("table", "figure", "simpletable"):
        return f"<caption>{inside}</caption>" if around != "figure" else element("p", inside)
    if around in SECTIONS or around in ROOTS:
        return heading(max(level, 1), inside)
    return element("p", element("b", inside))


def _alert(node: Any, level: int, name: str) -> str:
    own = next((child for child in node if _name(child) == "title"), None)
    kind = str(node.get("type") or name)
    kind = str(node.get("othertype") or "note") if kind == "other" else kind
    title = _inside(own, level) if own is not None else escape(kind.capitalize())
    inside = "".join(
        _shown(child, level) + escape(child.tail or "", quote=False)
        for child in node
        if child is not own
    )
    return box(title, escape(node.text or "", quote=False) + inside)


def _question(node: Any, level: int, name: str) -> str:
    if name != "qandaentry":
        return _inside(node, level)
    asked = next((child for child in node if _name(child) == "question"), None)
    rest = "".join(_shown(child, level) for child in node if child is not asked)
    said = re.sub(r"</?p>", "", _inside(asked, level)) if asked is not None else ""
    return box(said, rest)


def _cell(node: Any, level: int, name: str) -> str:
    row = _name(node.getparent())
    group = _name(node.getparent().getparent()) if node.getparent() is not None else ""
    is_head = row in ("sthead", "chhead", "prophead") or group == "thead" or name.endswith("hd")
    tag = "th" if is_head or name == "th" else "td"
    across = _columns(node)
    below = node.get("morerows") or ""
    down = int(below) + 1 if below.isdecimal() and len(below) < 4 else 1
    return f'<{tag} colspan="{across}" rowspan="{down}">{_inside(node, level)}</{tag}>'


def _columns(node: Any) -> int:
    """How many columns a cell spans, by the names or the numbers of the first and the last."""
    first, last = node.get("namest"), node.get("nameend")
    if not first or not last:
        return 1
    group = node
    while group is not None and _name(group) not in ("tgroup", "table"):
        group = group.getparent()
    names = (
        [one.get("colname") for one in group if _name(one) == "colspec"]
        if group is not None
        else []
    )
    if first in names and last in names:
        return max(1, names.index(last) - names.index(first) + 1)
    return 1
