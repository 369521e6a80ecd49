"""Lays the twins' sources side by side, aligned and coloured."""

import difflib
import functools
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby, zip_longest

from pygments.lexers import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String, _TokenType

from compare.runner import ROOT, STYLES

# The machinery of a style, the loop first; each is a pair, and each a topic of migration.
MACHINERY = ("trainer", "layers", "optimizers", "summaries", "checkpoints", "export")
# What is coloured, and by which class of the page's style sheet; all else is left as it is.
_CLASSES = {
    Comment: "c",
    String: "s",
    Number: "m",
    Keyword: "k",
    Operator.Word: "k",
    Name.Function: "f",
    Name.Class: "f",
    Name.Decorator: "f",
}


@dataclass(frozen=True)
class Line:
    """A line of a file."""

    number: int  # from 1
    html: str
    anchor: str


@dataclass
class Row:
    """Two lines side by side.

    Attributes
    ----------
    sign : as `diff -y` has it: "|" changed, "<" only left, ">" only right, " " the same.
    left, right : None where one side has none.
    entries : of the migration guide, at the first row of a change that they are about.
    """

    sign: str
    left: Line | None
    right: Line | None
    entries: list = field(default_factory=list)


@dataclass(frozen=True)
class SideBySide:
    """A pair of files."""

    name: str
    paths: list[str]  # from the root
    rows: list[Row]

    @property
    def changes(self) -> list[list[Row]]:
        """The rows that differ, what hangs together in one list."""
        groups = groupby(self.rows, key=lambda row: row.sign == " ")
        return [list(rows) for is_same, rows in groups if not is_same]


def side_by_side(name: str) -> SideBySide | None:
    """Returns the two files of that name, None if there are none."""
    paths = [f"{style}/{name}.py" for style in STYLES]
    if not all((ROOT / path).is_file() for path in paths):
        return None
    texts = [(ROOT / path).read_text() for path in paths]
    left, right = (
        [Line(number, code, anchor(path, number)) for number, code in enumerate(highlight(text), 1)]
        for path, text in zip(paths, texts)
    )
    rows = [
        Row(sign, None if i is None else left[i], None if j is None else right[j])
        for sign, i, j in align(*(text.splitlines() for text in texts))
    ]
    return SideBySide(name, paths, rows)


def align(left: list[str], right: list[str]) -> Iterator[tuple[str, int | None, int | None]]:
    """Yields which line stands beside which, by their indices, and the sign between them."""
    # Brackets and blank lines alone are like each other anywhere: none begins a match.
    matcher = difflib.SequenceMatcher(lambda line: not _words(line), left, right, autojunk=False)
    for tag, *bounds in matcher.get_opcodes():
        span, other = range(*bounds[:2]), range(*bounds[2:])
        pairs = zip(span, other) if tag == "equal" else _align_changed(left, right, span, other)
        for i, j in pairs:
            if None not in (i, j):
                sign = " " if left[i] == right[j] else "|"
            else:
                sign = "<" if j is None else ">"
            yield sign, i, j


def _align_changed(
    left: list[str], right: list[str], span: range, other: range
) -> Iterator[tuple[int | None, int | None]]:
    """Yields the lines of two spans, those beside each other that have most words in common."""
    likeness, i, j = max(
        ((_likeness(left[i], right[j]), -i, -j) for i in span for j in other), default=(0, 0, 0)
    )
    if likeness < 0.5:
        yield from zip_longest(span, other)
        return
    i, j = -i, -j  # so that of equals the first was taken
    yield from _align_changed(left, right, range(span.start, i), range(other.start, j))
    yield i, j
    yield from _align_changed(left, right, range(i + 1, span.stop), range(j + 1, other.stop))


def _likeness(line: str, other: str) -> float:
    """Returns the share of their words that two lines have in common, from 0 to 1."""
    words, others = _words(line), _words(other)
    return len(words & others) / max(len(words | others), 1)


@functools.cache
def _words(line: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", line))


def anchor(path: str, number: int) -> str:
    """Returns the id that a line has in the page."""
    return f"{path.removesuffix('.py').replace('/', '-')}-{number}"


def highlight(text: str) -> list[str]:
    """Returns the lines of a Python program as HTML, coloured by classes.

    Only what is coloured has a tag; pygments's own formatter gives one to every name.
    """
    lines = [""]
    for kind, value in PythonLexer(stripnl=False).get_tokens(text):
        first, *others = value.split("\n")
        lines[-1] += _tagged(kind, first)
        lines += [_tagged(kind, part) for part in others]
    return lines[:-1]


def _tagged(kind: _TokenType, text: str) -> str:
    name = next((name for family, name in _CLASSES.items() if kind in family), None)
    escaped = html.escape(text, quote=False)
    return f'<span class="{name}">{escaped}</span>' if name and text else escaped
