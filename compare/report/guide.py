"""Links the migration guide's entries to the changed lines that they explain."""

import re
from dataclasses import dataclass

from markdown_it.token import Token

from compare import guide
from compare.report.sources import SideBySide, anchor, highlight

PATH = guide.INDEX

_LINES = re.compile(r"(?:\.\./)+(tf[12]_style/[\w/]+\.py)#L(\d+)(?:-L(\d+))?$")


@dataclass(frozen=True)
class Explanation:
    """An entry as the report shows it.

    Attributes
    ----------
    anchor : its id in the page.
    tokens : the tokens of its text, without the heading.
    lines : the ids of the lines that it explains.
    targets : the ids of the lines that its links lead to: the first line of each block.
    """

    title: str
    anchor: str
    tokens: list[Token]
    lines: set[str]
    targets: set[str]


def entries() -> list[Explanation]:
    """Returns the guide's entries in order; none if the file is missing."""
    found = []
    for number, entry in enumerate(guide.entries(PATH), start=1):
        tokens = _without_examples(entry.tokens)
        linked = [_linked_lines(child) for token in tokens for child in token.children or []]
        lines = {line for lines in linked for line in lines}
        targets = {lines[0] for lines in linked if lines}
        found.append(Explanation(entry.title, f"guide-{number}", tokens, lines, targets))
    return found


def _without_examples(tokens: list[Token]) -> list[Token]:
    """Leaves out the examples and the paragraphs that announce them: the report has the twins."""
    kept = []
    for token in tokens:
        if token.type == "fence" and token.info.partition(" ")[2] in guide.KINDS:
            del kept[-3:]  # the paragraph: its begin, its text, its end
        else:
            kept.append(token)
    return kept


def link(pairs: list[SideBySide], every: list[Explanation]) -> list[Explanation]:
    """Puts each entry at the changes that it explains; returns the entries that explain any."""
    used = set()
    for pair in pairs:
        for rows in pair.changes:
            changed = {line.anchor for row in rows for line in (row.left, row.right) if line}
            rows[0].entries = [entry for entry in every if entry.lines & changed]
            used |= {entry.anchor for entry in rows[0].entries}
    return [entry for entry in every if entry.anchor in used]


def render(entry: Explanation, pairs: list[SideBySide]) -> str:
    """Returns the text of an entry as HTML; links to lines of the page remain, others are text."""
    anchors = {anchor for pair in pairs for anchor in pair.anchors}
    for token in entry.tokens:
        if token.children:
            token.children = _relinked(token.children, anchors)
    markdown = _markdown()
    return markdown.renderer.render(entry.tokens, markdown.options, {})


def _markdown():
    def colour(code: str, language: str, attributes: str) -> str:
        return "\n".join(highlight(code)) if language == "python" else ""  # "": only escaped

    return guide.markdown(colour)


def _linked_lines(token: Token) -> list[str]:
    match = _LINES.match(token.attrGet("href") or "") if token.type == "link_open" else None
    if not match:
        return []
    path, first, last = match.groups()
    return [anchor(path, number) for number in range(int(first), int(last or first) + 1)]


def _relinked(children: list[Token], anchors: set[str]) -> list[Token]:
    """Returns the tokens with links to lines of the page; other links become text."""
    tokens, is_link = [], True
    for token in children:
        if token.type == "link_open":
            lines = _linked_lines(token)
            is_link = bool(lines) and lines[0] in anchors
            if is_link:
                token.attrSet("href", f"#{lines[0]}")
        if token.type == "image":  # replaced by its text
            token = Token("text", "", 0, content=token.content)
        if is_link or token.type not in ("link_open", "link_close"):
            tokens.append(token)
    return tokens
