"""Brings the entries of the migration guide into the page, at the changes that they are about."""

import re
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

from compare.report.sources import SideBySide, anchor, highlight
from compare.runner import ROOT

PATH = ROOT / "docs" / "migration.md"

_LINES = re.compile(r"\.\./(tf[12]_style/\w+\.py)#L(\d+)(?:-L(\d+))?$")
_HEADINGS = ("h1", "h2", "h3")  # an entry is an h3, and ends at the next of these


@dataclass(frozen=True)
class Entry:
    """One idiom, before and after."""

    title: str
    anchor: str
    tokens: list[Token]
    lines: set[str]  # the anchors of those that it links to


def entries() -> list[Entry]:
    """Returns the entries of docs/migration.md in their order; none where it is missing."""
    if not PATH.exists():
        return []
    found, is_inside = [], False
    tokens = _markdown().parse(PATH.read_text())
    for token, following in zip(tokens, [*tokens[1:], None]):
        if token.type == "heading_open" and token.tag in _HEADINGS:
            is_inside = token.tag == "h3"
            if is_inside:
                entry = Entry(_plain(following), f"guide-{len(found) + 1}", [], set())
                token.attrSet("id", entry.anchor)
                found.append(entry)
        if is_inside:
            found[-1].tokens.append(token)
            found[-1].lines.update(*map(_linked_lines, token.children or []))
    return found


def link(pairs: list[SideBySide], every: list[Entry]) -> list[Entry]:
    """Puts each entry at the changes that it is about; returns those that are about any."""
    used = set()
    for pair in pairs:
        for rows in pair.changes:
            anchors = {line.anchor for row in rows for line in (row.left, row.right) if line}
            rows[0].entries = [entry for entry in every if entry.lines & anchors]
            used |= {entry.anchor for entry in rows[0].entries}
    return [entry for entry in every if entry.anchor in used]


def render(entry: Entry, pairs: list[SideBySide]) -> str:
    """Returns an entry as HTML; its links lead to lines in the page, or are plain text."""
    paths = {path for pair in pairs for path in pair.paths}
    for token in entry.tokens:
        if token.children:
            token.children = _relinked(token.children, paths)
    markdown = _markdown()
    return markdown.renderer.render(entry.tokens, markdown.options, {})


def _markdown() -> MarkdownIt:
    def coloured(code: str, language: str, attributes: str) -> str:
        return "\n".join(highlight(code)) if language == "python" else ""  # "": only escaped

    return MarkdownIt("commonmark", {"html": False, "highlight": coloured}).enable("table")


def _plain(inline: Token) -> str:
    return "".join(token.content for token in inline.children)


def _linked_lines(token: Token) -> list[str]:
    match = _LINES.match(token.attrGet("href") or "") if token.type == "link_open" else None
    if not match:
        return []
    path, first, last = match.groups()
    return [anchor(path, number) for number in range(int(first), int(last or first) + 1)]


def _relinked(children: list[Token], paths: set[str]) -> list[Token]:
    """Leads links to the lines in the page, and takes all others away, their text left."""
    kept, is_kept = [], True
    for token in children:
        if token.type == "link_open":
            lines = _linked_lines(token)
            is_kept = bool(lines) and _LINES.match(token.attrGet("href"))[1] in paths
            if is_kept:
                token.attrSet("href", f"#{lines[0]}")
        if token.type == "image":  # its text for it
            token = Token("text", "", 0, content=token.content)
        if is_kept or token.type not in ("link_open", "link_close"):
            kept.append(token)
    return kept
