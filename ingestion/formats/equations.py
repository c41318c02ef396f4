"""Equations as one line of text: ``(a+b)/c``, ``x^2``, ``√(n)``."""

from typing import Any


def power(base: str, exponent: str) -> str:
    """A base with its exponent; nothing melts into one number."""
    return f"{base}^{_grouped(exponent)}"


def index(base: str, lowered: str) -> str:
    """A base with its lower mark."""
    return f"{base}_{_grouped(lowered)}"


def fraction(over: str, under: str) -> str:
    """A fraction on one line."""
    return f"{_grouped(over)}/{_grouped(under)}"


def root(inside: str, degree: str = "") -> str:
    """A root; ``degree`` is empty for a square root."""
    return f"{degree}√({inside})"


def _grouped(text: str) -> str:
    plain = text.replace(".", "").replace(",", "").replace("−", "").replace("-", "")
    return text if len(text) == 1 or plain.isalnum() else f"({text})"


def from_mathml(node: Any) -> str:
    """The text of a MathML element (a selectolax node)."""
    return " ".join(_mathml(node, 0).split())


def _mathml(node: Any, depth: int) -> str:
    tag = node.tag
    if tag == "-text":
        return " ".join((node.text_content or "").split())
    if tag in ("annotation", "annotation-xml") or depth > 100:
        return ""
    children = list(node.iter(include_text=tag in ("mi", "mn", "mo", "mtext", "ms", "math")))
    parts = [_mathml(child, depth + 1) for child in children]
    if tag in ("msup", "mover") and len(parts) == 2:
        return power(*parts)
    if tag in ("msub", "munder") and len(parts) == 2:
        return index(*parts)
    if tag in ("msubsup", "munderover") and len(parts) == 3:
        return power(index(parts[0], parts[1]), parts[2])
    if tag == "mfrac" and len(parts) == 2:
        return fraction(*parts)
    if tag == "mroot" and len(parts) == 2:
        return root(*parts)
    if tag == "msqrt":
        return root("".join(parts))
    if tag == "mo" and parts[:1] and parts[0] in "=+<>≤≥≈×":
        return f" {parts[0]} "
    if tag in ("mtr", "mtd", "mtext"):
        return "".join(parts) + " "
    return "".join(parts)


M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"


def from_omml(node: Any) -> str:
    """The text of an equation of Word (an lxml element)."""
    return " ".join(_omml(node, 0).split())


def _omml(node: Any, depth: int) -> str:
    if not isinstance(node.tag, str) or depth > 100:
        return ""
    tag = node.tag.rsplit("}", 1)[-1]
    if tag == "t":
        text = node.text or ""
        return f" {text.strip()} " if text.strip() in ("=", "+", "×", "·", "≤", "≥") else text
    if tag.endswith("Pr"):
        return ""
    part = {
        child.tag.rsplit("}", 1)[-1]: _omml(child, depth + 1).strip()
        for child in node
        if isinstance(child.tag, str)
    }
    if tag == "f":
        return fraction(part.get("num", ""), part.get("den", ""))
    if tag in ("sSup", "sSub", "sSubSup", "sPre"):
        base = part.get("e", "")
        base = index(base, part["sub"]) if part.get("sub") else base
        return power(base, part["sup"]) if part.get("sup") else base
    if tag == "rad":
        return root(part.get("e", ""), part.get("deg", ""))
    if tag == "nary":
        return _sum(node, part)
    if tag == "d":
        return _bracketed(node, depth)
    return "".join(_omml(child, depth + 1) for child in node)


def _sum(node: Any, part: dict[str, str]) -> str:
    sign = node.find(f"{M}naryPr/{M}chr")
    sign = "∫" if sign is None else sign.get(f"{M}val") or "∑"
    sign = index(sign, part["sub"]) if part.get("sub") else sign
    sign = power(sign, part["sup"]) if part.get("sup") else sign
    return f"{sign} {part.get('e', '')}"


def _bracketed(node: Any, depth: int) -> str:
    signs = []
    for name, usual in (("begChr", "("), ("endChr", ")"), ("sepChr", "|")):
        found = node.find(f"{M}dPr/{M}{name}")
        signs.append(usual if found is None else found.get(f"{M}val") or "")
    inside = [_omml(child, depth + 1) for child in node if child.tag == f"{M}e"]
    return signs[0] + signs[2].join(inside) + signs[1]
