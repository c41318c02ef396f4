"""A handbook of Markdown files that changes: pages are added, edited, deleted and moved."""

import random
from dataclasses import dataclass, field
from pathlib import Path

SYLLABLES = "ba co di fe gu la mo ni po ra se ti vu wa ze bro cla dre fli gro pla ste tri".split()
SENTENCES = (
    "The {a} of a {b} must be filed within {n} days of the {c}.",
    "Every {a} needs a {b}, and the {c} signs it on page {n}.",
    "If the {b} fails, call desk {n} and name the {a} and the {c}.",
    "A {c} costs {n} euros when the {a} comes with a {b}.",
    "The team of the {a} keeps {n} copies of each {b} beside the {c}.",
)


@dataclass
class Handbook:
    """The files below ``folder``; the same seed makes the same handbook and the same changes."""

    folder: Path
    seed: int = 7
    pages: int = 0
    rng: random.Random = field(init=False)
    words: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.words = sorted({"".join(self.rng.choices(SYLLABLES, k=3)) for _ in range(900)})

    def files(self) -> list[Path]:
        """Every page, by path."""
        return sorted(self.folder.rglob("*.md"))

    def add(self, pages: int) -> None:
        """Write new pages into the chapters."""
        for _ in range(pages):
            self.pages += 1
            chapter = self.folder / f"chapter-{self.pages % 20:02}"
            chapter.mkdir(parents=True, exist_ok=True)
            self._write(chapter / f"page-{self.pages:04}.md")

    def edit(self, pages: int) -> None:
        """Write one section of some pages anew."""
        for path in self.rng.sample(self.files(), pages):
            sections = path.read_text("utf-8").split("\n## ")
            sections[self.rng.randrange(1, len(sections))] = self._section()
            path.write_text("\n## ".join(sections), "utf-8")

    def delete(self, pages: int) -> list[Path]:
        """Delete some pages; returns them."""
        gone = self.rng.sample(self.files(), pages)
        for path in gone:
            path.unlink()
        return gone

    def move(self, pages: int) -> dict[Path, Path]:
        """Give some pages another name in another chapter; returns old and new paths."""
        moved = {}
        for path in self.rng.sample(self.files(), pages):
            chapter = self.folder / f"chapter-{self.rng.randrange(20):02}"
            moved[path] = path.rename(chapter / f"moved-{path.name}")
        return moved

    def questions(self, count: int) -> list[str]:
        """Questions in the words of the handbook; a third ask for words of one page."""
        asked, pages = [], self.files()
        for number in range(count):
            if number % 3:
                a, b, c = self.rng.sample(self.words, 3)
            else:
                a, b, c = self.rng.sample(self.rng.choice(pages).read_text().split(), 3)
            asked.append(f"How many days for the {a} of the {b} and the {c}?")
        return asked

    def _write(self, path: Path) -> None:
        title = " ".join(self.rng.sample(self.words, 2)).capitalize()
        sections = [f"# {title}\n", *(self._section() for _ in range(2))]
        path.write_text("\n## ".join(sections), "utf-8")

    def _section(self) -> str:
        name = " ".join(self.rng.sample(self.words, 2)).capitalize()
        lines = [self._sentence() for _ in range(self.rng.randrange(3, 8))]
        return f"{name}\n\n{' '.join(lines)}\n"

    def _sentence(self) -> str:
        a, b, c = self.rng.sample(self.words, 3)
        form = self.rng.choice(SENTENCES)
        return form.format(a=a, b=b, c=c, n=self.rng.randrange(2, 99))
