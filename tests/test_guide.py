"""The guide and docs/speed.md quote the twins as they are, and lead where they say.

`python tests/test_guide.py` moves the line numbers of quotes that stand elsewhere in their file by
now, and names those that are not there any more.
"""

import ast
import re
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # for the script

from compare import guide

GUIDE = ROOT / "docs" / "migration.md"
TOPICS = sorted((ROOT / "docs" / "migration").glob("*.md"))
PAGES = [GUIDE, *TOPICS, ROOT / "docs" / "speed.md"]

QUESTIONS = [
    "The accuracy differs after the migration",
    "Keras's layers, or variables of my own?",
    "The same seed gives other numbers",
    "The graph is missing in TensorBoard",
    "It is slower in TensorFlow 2",
    "My checkpoint does not load, or the optimizer starts anew",
]
# A link to lines: [path, lines m-n](../path#Lm-Ln), or [path, `Name`, lines m-n](...) for all of a
# definition.
LINK = re.compile(
    r"\[(?P<path>[\w/.]+)(?:, `(?P<name>[\w.]+)`)?, lines? (?P<said>\d+(?:-\d+)?)\]"
    r"\((?P<up>(?:\.\./)+)(?P<target>\w[\w/.]*)#L(?P<first>\d+)(?:-L(?P<last>\d+))?\)"
)
# A paragraph of such links, and the block below it, which quotes the lines of each.
QUOTE = re.compile(
    r"^(?P<links>(?:\[.*\]\(\.\./.*#L.*\),?\n)+)\n```python\n(?P<code>(?:.*\n)*?)```$",
    re.MULTILINE,
)
BLOCK = re.compile(r"^```(?P<info>.*)\n(?P<code>(?:.*\n)*?)```$", re.MULTILINE)
HEADING = re.compile(r"^(?P<level>#+) (?P<title>.*)$", re.MULTILINE)


def links(text):
    """All links to lines, each with the code below that quotes them, or None."""
    quoted = {}
    for quote in QUOTE.finditer(text):
        for link in LINK.finditer(text, quote.start("links"), quote.end("links")):
            quoted[link.start()] = quote["code"]
    return [(link, quoted.get(link.start())) for link in LINK.finditer(text)]


def lines_of(path):
    return (ROOT / path).read_text().splitlines()


def definition(path, name):
    """First and last line of a class, a function or, as "Trainer.values", a method."""
    node = ast.parse((ROOT / path).read_text())
    for part in name.split("."):
        node = next((child for child in node.body if getattr(child, "name", None) == part), None)
        if node is None:
            return []
    first = min([node.lineno] + [decorator.lineno for decorator in node.decorator_list])
    return [(first, node.end_lineno)]


def places(path, code):
    """All first and last lines in a file between which there is this code, however indented."""
    lines, count = lines_of(path), len(code.splitlines())
    return [
        (first, first + count - 1)
        for first in range(1, len(lines) - count + 2)
        if textwrap.dedent("\n".join(lines[first - 1 : first - 1 + count])) + "\n" == code
    ]


def linked(link):
    return int(link["first"]), int(link["last"] or link["first"])


def nearest(link, code):
    """Where the lines that a link means are by now; None if they are not there any more."""
    path = link["target"]
    found = definition(path, link["name"]) if link["name"] else places(path, code)
    return min(found, key=lambda lines: abs(lines[0] - linked(link)[0]), default=None)


def link_to(link, lines):
    """The text of a link to other lines of its file."""
    first, last = lines
    said, anchor = f"lines {first}-{last}", f"L{first}-L{last}"
    if first == last:
        said, anchor = f"line {first}", f"L{first}"
    name = f"`{link['name']}`, " if link["name"] else ""
    return f"[{link['target']}, {name}{said}]({link['up']}{link['target']}#{anchor})"


def moved(text):
    """The guide with the links where their lines are by now, and what is wrong with the others."""
    parts, end, lost = [], 0, []
    for link, code in links(text):
        if not (link["name"] or code):
            lost.append(f"{link[0]}: neither quoted below nor the name of a definition")
            continue
        lines = nearest(link, code)
        if lines is None:
            lost.append(f"{link[0]}: {link['name'] or code!r} is not in {link['target']} any more")
            continue
        parts += [text[end : link.start()], link_to(link, lines)]
        end = link.end()
    return "".join([*parts, text[end:]]), lost


def without_code(text):
    """The text with blanks for its blocks: a comment in one is no heading."""
    return BLOCK.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), text)


def slug(title):
    """The anchor that GitHub makes of a heading."""
    return guide.slug(title)


def titles(page):
    return [heading["title"] for heading in HEADING.finditer(without_code(page.read_text()))]


every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
ENTRIES = guide.entries()
IDIOMS = [entry for entry in ENTRIES if entry.examples]
MESSAGES = [entry for entry in ENTRIES if entry.page.name == "errors.md"]


@every_page
def test_every_quote_is_at_its_lines(page):
    wrong = []
    for link, code in links(page.read_text()):
        assert link["name"] or code, f"{link[0]} is neither quoted nor a definition's name"
        now = nearest(link, code)
        if link[0] != (link_to(link, now) if now else None):
            where = link_to(link, now) if now else "nowhere in that file"
            wrong.append(
                f"{link[0]} is now {where}; python tests/test_guide.py moves what it finds"
            )
    assert not wrong, "\n".join(wrong)


def test_every_link_to_lines_is_seen():
    texts = [page.read_text() for page in TOPICS]
    assert sum(len(links(text)) for text in texts) == sum(text.count("#L") for text in texts) > 100


def test_lines_that_moved_are_found():
    """By one line, as with every edit; a quote that is nowhere is named."""
    text = (ROOT / "docs" / "migration" / "training.md").read_text()
    shifted = LINK.sub(lambda link: link_to(link, [number + 1 for number in linked(link)]), text)
    assert shifted != text and moved(shifted) == (text, [])
    _, lost = moved(text.replace("tf.train.create_global_step()\n", "tf.no_such_line()\n"))
    assert lost and all("is not in tf1_style/training/trainer.py any more" in line for line in lost)


@every_page
def test_every_other_link_leads_somewhere(page):
    anchors = [slug(title) for title in titles(page)]
    assert len(set(anchors)) == len(anchors)
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        if "://" not in target and (
            not file.exists()
            or (anchor and file.suffix == ".md" and anchor not in map(slug, titles(file)))
        ):
            wrong.append(target)
    assert wrong == []


def test_questions_come_first():
    assert titles(GUIDE)[1] == "What people ask first"
    assert [entry.title for entry in ENTRIES if entry.page == GUIDE] == QUESTIONS


def test_the_index_leads_to_every_entry():
    text = GUIDE.read_text()
    addresses = [entry.address.removeprefix("docs/") for entry in ENTRIES if entry.page != GUIDE]
    assert len(set(addresses)) == len(addresses) > 120
    assert [address for address in addresses if f"({address})" not in text] == []


def test_addresses_of_the_time_when_the_guide_was_one_page_lead_on():
    """From programs and pages of others: docs/migration.md#batch-norm is a row of the index."""
    kept = re.findall(
        r'<a id="([^"]+)"></a>\[.*?\]\(migration/[\w-]+\.md#([^)]+)\)', GUIDE.read_text()
    )
    assert len(kept) == 46 and all(old == new for old, new in kept)


@pytest.mark.parametrize("title", QUESTIONS)
def test_a_question_leads_to_an_entry(title):
    (question,) = [entry for entry in ENTRIES if entry.title == title]
    assert "](migration/" in question.text


@pytest.mark.parametrize("entry", IDIOMS, ids=lambda entry: entry.title)
def test_an_entry_has_the_one_form(entry):
    """What you see, before, after, Keras, the twins, why, what goes wrong; in this order."""
    assert {"before", "after"} <= set(entry.examples)
    parts = ["**You see.**", "```python before", "```python after", "**The twins.**", "**Why.**"]
    parts.append("**What goes wrong.**")
    assert [entry.text.count(part) for part in parts] == [1] * len(parts)
    places = [entry.text.index(part) for part in parts]
    assert places == sorted(places)
    assert "keras" in entry.examples or "**Keras.**" in entry.text


@pytest.mark.parametrize("entry", MESSAGES, ids=lambda entry: entry.title)
def test_a_message_has_the_one_form(entry):
    """What is said, what makes it be said, and what to do."""
    kinds = [token.info for token in entry.tokens if token.type == "fence"]
    assert kinds[:2] == ["text", "python fails"]
    assert "](" in entry.text or "pip install" in entry.text


@every_page
def test_blocks_are_python(page):
    for block in BLOCK.finditer(page.read_text()):
        language, _, kind = block["info"].partition(" ")
        if language == "python":
            assert kind in ("", "old", "before", "after", "keras", "fails")
            items = re.match(r'"\w+": ', block["code"])  # of a dict
            ast.parse(f"{{{block['code']}}}" if items else block["code"])


if __name__ == "__main__":
    all_lost = []
    for page in PAGES:
        before = page.read_text()
        after, lost = moved(before)
        if after != before:
            page.write_text(after)
            old_lines, new_lines = before.splitlines(), after.splitlines()
            print("\n".join(new for old, new in zip(old_lines, new_lines) if old != new))
        all_lost += lost
    if all_lost:
        sys.exit("\n".join(all_lost))
