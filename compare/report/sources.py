"""Aligns the sources of both styles line by line, in colour."""

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

# The tokens that have a colour, and their classes in the page's style sheet.
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
    sign : as `diff -y` prints it: "|" changed, "<" only left, ">" only right, " " equal.
    left, right : the lines; None if the line is only on the other side.
    entries : at the first row of a change, the entries of the migration guide about it.
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
    def anchors(self) -> set[str]:
        """The ids of all lines."""
        return {line.anchor for row in self.rows for line in (row.left, row.right) if line}

    @property
    def places(self) -> list[tuple[bool, list[Row]]]:
        """The rows in groups: (whether they differ, rows)."""
        groups = groupby(self.rows, key=lambda row: row.sign != " ")
        return [(differs, list(rows)) for differs, rows in groups]

    @property
    def changes(self) -> list[list[Row]]:
        """The rows that differ, in one list for each place."""
        return [rows for differs, rows in self.places if differs]


def names() -> list[str]:
    """Returns the names of all pairs of files, such as mnist_deep; programs first."""
    found = []
    for folder in ("", "training/"):
        files = [{path.stem for path in (ROOT / s / folder).glob("*.py")} for s in STYLES]
        found += [f"{folder}{name}" for name in sorted(set.intersection(*files) - {"__init__"})]
    return found


def side_by_side(name: str) -> SideBySide:
    """Returns the two files of a name, such as mnist_deep or training/trainer."""
    paths = [f"{style}/{name}.py" for style in STYLES]
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
    """Yields the sign and the indices of the lines in each row, see `Row`."""
    # Lines without words, such as a bracket, occur everywhere. So no match begins with one.
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
    """Yields the indices of two spans in rows; the most similar lines share a row."""
    likeness, i, j = max(
        ((_likeness(left[i], right[j]), -i, -j) for i in span for j in other), default=(0, 0, 0)
    )
    if likeness < 0.5:
        yield from zip_longest(span, other)
        return
    i, j = -i, -j  # negative above, so that the first of equal maxima wins
    yield from _align_changed(left, right, range(span.start, i), range(other.start, j))
    yield i, j
    yield from _align_changed(left, right, range(i + 1, span.stop), range(j + 1, other.stop))


def _likeness(line: str, other: str) -> float:
    """Returns the share of words that two lines have in common, from 0 (none) to 1 (all)."""
    words, others = _words(line), _words(other)
    return len(words & others) / max(len(words | others), 1)


@functools.cache
def _words(line: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", line))


def anchor(path: str, number: int) -> str:
    """Returns the id of a line in the page."""
    return f"{path.removesuffix('.py').replace('/', '-')}-{number}"


@functools.lru_cache(maxsize=512)  # the guide quotes some blocks often, and tests write many pages
def highlight(text: str) -> tuple[str, ...]:
    """Returns the lines of a Python program as HTML.

    Only tokens with a colour get a tag. The formatter of pygments tags every name.
    """
    lines = [""]
    for kind, value in PythonLexer(stripnl=False).get_tokens(text):
        first, *others = value.split("\n")
        lines[-1] += _tagged(kind, first)
        lines += [_tagged(kind, part) for part in others]
    return tuple(lines[:-1])


def _tagged(kind: _TokenType, text: str) -> str:
    name = next((name for family, name in _CLASSES.items() if kind in family), None)
    escaped = html.escape(text, quote=False)
    return f'<span class="{name}">{escaped}</span>' if name and text else escaped
