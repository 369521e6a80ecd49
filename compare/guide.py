"""Reads the migration guide: docs/migration.md and the pages of docs/migration/."""

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from compare.runner import ROOT

INDEX = ROOT / "docs" / "migration.md"
KINDS = ("before", "after", "keras")  # of examples, as the first line of a block says

_HEADINGS = ("h1", "h2", "h3")  # an entry is an h3, and ends at the next of these


@dataclass(frozen=True)
class Entry:
    """One idiom, message or symptom.

    Attributes
    ----------
    page : the file that it stands in.
    tokens : the tokens of its text, without the heading.
    text : the same as Markdown.
    """

    title: str
    page: Path
    tokens: list[Token]
    text: str

    @property
    def address(self) -> str:
        """Where it is, such as docs/migration/layers.md#batch-norm."""
        return f"{self.page.relative_to(ROOT).as_posix()}#{slug(self.title)}"

    @property
    def examples(self) -> dict[str, str]:
        """The code of its examples, by kind."""
        blocks = [token for token in self.tokens if token.type == "fence"]
        kinds = {block.info.partition(" ")[2]: block.content for block in blocks}
        return {kind: kinds[kind] for kind in KINDS if kind in kinds}


def entries(index: Path = INDEX) -> list[Entry]:
    """Returns the entries of all pages in order, those of the index first; [] without a file."""
    pages = [index, *sorted((index.parent / "migration").glob("*.md"))]
    return [entry for page in pages if page.is_file() for entry in _of_page(page)]


def markdown(highlight=None) -> MarkdownIt:
    """Returns the parser of the guide's text; `highlight` colours a block, given its code."""
    return MarkdownIt("commonmark", {"html": False, "highlight": highlight}).enable("table")


def slug(title: str) -> str:
    """Returns the anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def plain(inline: Token) -> str:
    """Returns a line of text without its marks."""
    return "".join(token.content for token in inline.children)


def _of_page(page: Path) -> list[Entry]:
    text = page.read_text(encoding="utf-8")
    tokens, lines = markdown().parse(text), text.splitlines()
    starts = [
        number
        for number, token in enumerate(tokens)
        if token.type == "heading_open" and token.tag in _HEADINGS
    ]
    found = []
    for start, end in zip(starts, [*starts[1:], len(tokens)]):
        if tokens[start].tag == "h3":
            first = tokens[start].map[1]
            last = tokens[end].map[0] if end < len(tokens) else len(lines)
            body = "\n".join(lines[first:last]).strip()
            title = plain(tokens[start + 1])
            found.append(Entry(title, page, tokens[start + 3 : end], body))
    return found
