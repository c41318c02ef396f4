"""Calendars (iCalendar, RFC 5545): each event with its time, its place and what is said of it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from ingestion.formats.charset import decode
from ingestion.formats.document import Block, Read
from ingestion.formats.limits import corrupt

MARK = b"BEGIN:VCALENDAR"
PARTS = frozenset({"VEVENT", "VTODO", "VJOURNAL"})
SAID = {"LOCATION": "Location", "DESCRIPTION": "", "CONTACT": "Contact", "STATUS": "Status"}
SAID |= {"PRIORITY": "Priority", "URL": "Link"}
ESCAPED = re.compile(r"\\(.)")
NAMED = re.compile(r'([A-Z0-9-]+)((?:;[A-Z0-9-]+=(?:"[^"]*"|[^;:"]*))*):(.*)', re.IGNORECASE | re.S)
ZONE = re.compile(r';TZID="?([^";:]+)', re.IGNORECASE)
RULE = re.compile(r"(FREQ|INTERVAL|COUNT|UNTIL|BYDAY)=([\w,+-]+)", re.IGNORECASE)
LENGTH = re.compile(
    r"\+?P(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:\d{1,7}S)?)?",
    re.IGNORECASE,
)
MOST_EXCEPTIONS = 50
MOMENT = re.compile(r"(\d{8})(?:T(\d{4})\d{2}(Z?))?")
EXCEPTIONS = "EXDATE"
DAYS = {"MO": "Monday", "TU": "Tuesday", "WE": "Wednesday", "TH": "Thursday", "FR": "Friday"}
DAYS |= {"SA": "Saturday", "SU": "Sunday"}
EACH = {"DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}


@dataclass
class _Entry:
    """What a file says of one event: names to (parameters, value)."""

    facts: dict[str, tuple[str, str]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A value as people read it."""
        value = self.facts.get(name, ("", ""))[1]
        return ESCAPED.sub(lambda one: "\n" if one[1] in "nN" else one[1], value).strip()


def read(data: bytes) -> Read:
    """The calendar's name, and its events in the order of the file, each under its title."""
    source = re.sub(r"\r?\n[ \t]", "", decode(data))
    if MARK.decode() not in source.upper():
        raise corrupt()
    whole, entries = _entries(source.splitlines())
    title = whole.text("X-WR-CALNAME") or whole.text("NAME")
    blocks = [Block(title, level=1)] if title else []
    for entry in entries:
        heading = entry.text("SUMMARY")
        blocks.append(Block(heading.replace("\n", " "), level=2 if title else 1))
        blocks.append(Block("\n".join(_lines(entry))))
    return Read(title, blocks)


def _entries(lines: Sequence[str]) -> tuple[_Entry, list[_Entry]]:
    """What is said of the calendar, and of each of its events; alarms and zones are left out."""
    whole, entries, open_parts = _Entry(), list[_Entry](), list[str]()
    for line in lines:
        found = NAMED.fullmatch(line)
        if found is None:
            continue
        name, parameters, value = found[1].upper(), found[2], found[3]
        if name == "BEGIN":
            open_parts.append(value.strip().upper())
            if open_parts[-1] in PARTS:
                entries.append(_Entry())
        elif name == "END":
            del open_parts[-1:]
        elif (
            open_parts
            and open_parts[-1] in PARTS
            and name == EXCEPTIONS
            and entries[-1].facts.get(name)
        ):
            parameters, before = entries[-1].facts[name]
            entries[-1].facts[name] = parameters, f"{before},{value}"
        elif open_parts and open_parts[-1] in PARTS:
            entries[-1].facts.setdefault(name, (parameters, value))
        elif len(open_parts) == 1:
            whole.facts.setdefault(name, (parameters, value))
    return whole, entries


def _lines(entry: _Entry) -> Iterator[str]:
    summary = entry.text("SUMMARY").replace("\n", " ")
    when = _when(entry)
    if when:
        yield f"{summary}: {when}" if summary else when
    if rule := entry.facts.get("RRULE"):
        yield _again(rule[1])
    if days := _days(entry.facts.get(EXCEPTIONS)):
        yield f"{summary}: not on {days}" if summary else f"Not on {days}"
    if days := _days(entry.facts.get("RDATE")):
        yield f"{summary}: also on {days}" if summary else f"Also on {days}"
    for name, label in SAID.items():
        if (said := entry.text(name)) and said.upper() != "CONFIRMED":
            yield f"{label}: {said}" if label else said


def _when(entry: _Entry) -> str:
    """From when to when, in the words of a calendar; the last day of whole days is included."""
    start, end = (_moment(*entry.facts.get(name, ("", ""))) for name in ("DTSTART", "DTEND"))
    if start is None:
        due = _moment(*entry.facts.get("DUE", ("", "")))
        return f"due {_day(due[0])}{_time(due)}" if due else ""
    end = end or _after(start, entry.facts.get("DURATION"))
    if end is None:
        return f"{_day(start[0])}{_time(start)}"
    if not start[1] and end[0].date() > start[0].date():
        end = end[0] - timedelta(days=1), ""
    if end[0].date() == start[0].date():
        until = f" to {end[0]:%H:%M}" if end[1] else ""
        zone = f" {start[1]}" if start[1] not in ("", "local") else ""
        return f"{_day(start[0])}{_time((start[0], 'local' if start[1] else ''))}{until}{zone}"
    return f"{_day(start[0])}{_time(start)} to {_day(end[0])}{_time(end)}"


def _after(
    start: tuple[datetime, str], length: tuple[str, str] | None
) -> tuple[datetime, str] | None:
    """The end of what takes so long; None where that is not told."""
    found = LENGTH.fullmatch(length[1].strip()) if length else None
    if found is None or not any(found.groups()):
        return None
    weeks, days, hours, minutes = (int(one or 0) for one in found.groups())
    try:
        end = start[0] + timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes)
    except OverflowError:
        return None
    return end, start[1]


def _days(stated: tuple[str, str] | None) -> str:
    """The days of a list of moments."""
    moments = stated[1].split(",")[:MOST_EXCEPTIONS] if stated else []
    found = [_moment("", one) for one in moments]
    return "; ".join(_day(one[0]) for one in found if one is not None)


def _moment(parameters: str, value: str) -> tuple[datetime, str] | None:
    """A day with the zone of its time: "local" without one, empty for a whole day."""
    found = MOMENT.match(value.strip())
    if found is None:
        return None
    try:
        day = datetime.strptime(found[1] + (found[2] or "0000"), "%Y%m%d%H%M")
    except ValueError:
        return None
    zone = ZONE.search(parameters)
    named = "UTC" if found[3] else zone[1][:40] if zone else "local"
    return day, named if found[2] else ""


def _day(day: date) -> str:
    return f"{day:%A}, {day.day} {day:%B} {day.year}"


def _time(moment: tuple[datetime, str]) -> str:
    day, zone = moment
    return "" if not zone else f", {day:%H:%M}" + ("" if zone == "local" else f" {zone}")


ORDER = {"1": "the first", "2": "the second", "3": "the third", "4": "the fourth", "-1": "the last"}


def _which(stated: str) -> str:
    """A day of the week, and which one of the month."""
    day, order = DAYS.get(stated[-2:], stated), ORDER.get(stated[:-2].removeprefix("+"))
    return f"{order} {day}" if order else day


def _again(rule: str) -> str:
    stated = {name.upper(): value.upper() for name, value in RULE.findall(rule)}
    step = stated.get("INTERVAL", "1")
    unit = EACH.get(stated.get("FREQ", ""), "time")
    said = f"Repeats every {unit}" if step == "1" else f"Repeats every {step} {unit}s"
    if days := [_which(one) for one in stated.get("BYDAY", "").split(",") if one]:
        said += f" on {', '.join(days)}"
    if "COUNT" in stated:
        said += f", {stated['COUNT']} times"
    until = _moment("", stated.get("UNTIL", ""))
    return f"{said}, until {_day(until[0])}" if until else said
