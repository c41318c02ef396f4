"""Names of columns that are printed upwards or downwards above a table: as if they lay."""

from collections.abc import Iterable, Sequence

from ingestion.formats.pdf_page import Word
from ingestion.formats.pdf_sight import Box

UP, DOWN = 90, 270
LEAST, MOST = 3, 80
"""Names of one head."""
BELOW, LEVEL = 4.0, 0.5
"""In sizes of print: how far below a name what it names begins, and by how much the edges of names
of one head may differ."""
BESIDE = 2.0
"""In sizes of print: how far beside a name what it names stands, where both are at other edges."""
Run = tuple[Word, ...]


def laid(turned: Sequence[Word], upright: Sequence[Word]) -> tuple[list[Word], list[Word]]:
    """Names of columns among words that are all turned one way, as words that lie; and the rest."""
    found, rest = list[Word](), list[Word]()
    for names in _heads(_runs(turned)):
        several = LEAST <= len({*map(_text, names)}) == len(names) <= MOST
        if several and _stand_over(names, upright):
            found += _lying(names, upright)
        else:
            rest += [word for run in names for word in run]
    return found, rest


def _runs(words: Iterable[Word]) -> list[Run]:
    """Words that go on in one line."""
    runs: list[list[Word]] = []
    for word in words:
        last = runs[-1][-1] if runs else None
        near = last is not None and abs(word.y - last.y) < 0.3 * word.size
        if last is not None and near and word.x0 - last.x0 >= 0 and word.x0 - last.x1 < word.size:
            runs[-1].append(word)
        else:
            runs.append([word])
    return [tuple(run) for run in runs]


def _heads(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs that begin, or end, at one height."""
    groups: list[list[Run]] = []
    for run in sorted(runs, key=lambda run: -_box(run)[3]):
        _, bottom, _, top = _box(run)
        near = LEVEL * run[0].size
        for group in groups:
            _, low, _, high = _box(group[0])
            if (
                abs(low - bottom) <= near
                or abs(high - top) <= near
                or (abs(low + high - bottom - top) <= 2 * near)
            ):
                group.append(run)
                break
        else:
            groups.append([run])
    return groups


def _box(run: Run) -> Box:
    boxes = [word.box for word in run]
    lows, highs = [box[:2] for box in boxes], [box[2:] for box in boxes]
    return (
        min(x for x, _ in lows), min(y for _, y in lows),
        max(x for x, _ in highs), max(y for _, y in highs),
    )  # fmt: skip


def _text(run: Run) -> str:
    return " ".join(word.text for word in run)


def _stand_over(names: Sequence[Run], upright: Sequence[Word]) -> bool:
    """Whether something stands below most of them, in a column of its own."""
    foot = min(_box(run)[1] for run in names)
    size = max(run[0].size for run in names)
    below = [word for word in upright if foot - BELOW * size <= word.y < foot]
    named = sum(any(_is_under(word, run) for word in below) for run in names)
    return 3 * named >= 2 * len(names)


def _is_under(word: Word, run: Run) -> bool:
    left, _, right, _ = _box(run)
    return word.x0 - BESIDE * word.size <= (left + right) / 2 <= word.x1 + BESIDE * word.size


def _lying(names: Sequence[Run], upright: Sequence[Word]) -> list[Word]:
    """A word for each name at their foot, where what stands beside them comes as well."""
    boxes = [_box(run) for run in names]
    foot = min(box[1] for box in boxes)
    head = max(box[3] for box in boxes) + BESIDE * names[0][0].size
    for word in upright:
        if foot <= word.y <= head:
            word.y = foot
    found = []
    for run, (left, _, right, _) in zip(names, boxes, strict=True):
        first = run[0]
        box = (left, foot, right, foot + first.size)
        found.append(
            Word(_text(run), left, right, foot, first.size, first.order, bold=first.bold, box=box)
        )
    return found
