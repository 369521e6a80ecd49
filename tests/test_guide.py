"""docs/migration.md and docs/speed.md quote the twins as they are, and lead where they say.

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
GUIDE = ROOT / "docs" / "migration.md"
PAGES = [GUIDE, ROOT / "docs" / "speed.md"]

QUESTIONS = [
    "No module named 'tensorflow.examples.tutorials'",
    "module 'tensorflow' has no attribute 'placeholder'",
    "module 'tensorflow' has no attribute 'contrib'",
    "The accuracy differs after the migration",
    "The same seed gives other numbers",
    "The graph is missing in TensorBoard",
    "It is slower in TensorFlow 2",
    "My checkpoint does not load, or the optimizer starts anew",
]
ENTRIES = [
    "tf.compat.v1 and tf_upgrade_v2",
    "input_data",
    "tf.app.run",
    "tf.contrib",
    "tf.placeholder",
    "feed_dict",
    "Session.run",
    "tf.Session and tf.ConfigProto",
    "InteractiveSession, .eval() and .run()",
    "Variables",
    "global_variables_initializer",
    "Collections of variables",
    "tf.truncated_normal",
    "Random seeds",
    "tf.nn.dropout(x, keep_prob)",
    "keep_prob and rate",
    "Batch norm",
    "softmax_cross_entropy_with_logits",
    "tf.nn and other operations whose arguments changed",
    "tf.log and other names that moved",
    "Name scopes",
    "minimize",
    "tf.gradients",
    "Weights updated by hand",
    "tf.train.*Optimizer",
    "tf.train.GradientDescentOptimizer",
    "tf.train.MomentumOptimizer",
    "tf.train.AdagradOptimizer",
    "tf.train.RMSPropOptimizer",
    "tf.train.AdamOptimizer",
    "Learning rates that change",
    "global_step",
    "Epochs, early stopping and the best checkpoint",
    "next_batch and tf.data",
    "Batching and partial batches",
    "tf.summary.FileWriter",
    "tf.Summary: scalars and images",
    "tf.summary.merge_all",
    "The graph in TensorBoard",
    "RunMetadata",
    "Saver",
    "Saver.restore",
    "tf.saved_model.simple_save",
]

# A link to lines: [path, lines m-n](../path#Lm-Ln), or [path, `Name`, lines m-n](...) for all of a
# definition.
LINK = re.compile(
    r"\[(?P<path>[\w/.]+)(?:, `(?P<name>[\w.]+)`)?, lines? (?P<said>\d+(?:-\d+)?)\]"
    r"\(\.\./(?P<target>[\w/.]+)#L(?P<first>\d+)(?:-L(?P<last>\d+))?\)"
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
    return f"[{link['target']}, {name}{said}](../{link['target']}#{anchor})"


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


def sections(text, level=3):
    """{title: text below it} of the headings of one level, in their order."""
    headings = list(HEADING.finditer(without_code(text)))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    return {
        heading["title"]: text[heading.end() : end]
        for heading, end in zip(headings, ends)
        if len(heading["level"]) == level
    }


def without_code(text):
    """The text with blanks for its blocks: a comment in one is no heading."""
    return BLOCK.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), text)


def slug(title):
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@pytest.fixture(scope="module")
def text():
    return GUIDE.read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_quote_is_at_its_lines(page):
    wrong = []
    assert links(page.read_text())
    for link, code in links(page.read_text()):
        assert link["name"] or code, f"{link[0]} is neither quoted nor a definition's name"
        now = nearest(link, code)
        if link[0] != (link_to(link, now) if now else None):
            where = link_to(link, now) if now else "nowhere in that file"
            wrong.append(
                f"{link[0]} is now {where}; python tests/test_guide.py moves what it finds"
            )
    assert not wrong, "\n".join(wrong)


def test_every_link_to_lines_is_seen(text):
    assert len(links(text)) == text.count("#L") > 100


def test_lines_that_moved_are_found(text):
    """By one line, as with every edit; a quote that is nowhere is named."""
    shifted = LINK.sub(lambda link: link_to(link, [number + 1 for number in linked(link)]), text)
    assert shifted != text and moved(shifted) == (text, [])
    _, lost = moved(text.replace("tf.train.create_global_step()\n", "tf.no_such_line()\n"))
    assert lost and all("is not in tf1_style/trainer.py any more" in line for line in lost)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_other_link_leads_somewhere(page):
    text = page.read_text()
    anchors = [slug(heading["title"]) for heading in HEADING.finditer(without_code(text))]
    assert len(set(anchors)) == len(anchors)
    targets = re.findall(r"\]\(([^)\s]+)\)", without_code(text))
    assert [t for t in targets if t[0] == "#" and t[1:] not in anchors] == []
    files = [t.split("#")[0] for t in targets if t[0] != "#" and "://" not in t]
    assert [file for file in files if not (GUIDE.parent / file).is_file()] == []


def test_questions_come_first(text):
    assert next(iter(sections(text, 2))) == "What people ask first"
    assert list(sections(text))[: len(QUESTIONS)] == QUESTIONS


def test_every_thing_has_an_entry(text):
    assert list(sections(text))[len(QUESTIONS) :] == ENTRIES
    index = sections(text, 2)["Index"]
    assert [title for title in ENTRIES if f"(#{slug(title)})" not in index] == []


@pytest.mark.parametrize("title", QUESTIONS)
def test_a_question_leads_to_an_entry(text, title):
    answer = sections(text)[title]
    assert any(f"(#{slug(entry)})" in answer for entry in ENTRIES)


@pytest.mark.parametrize("title", ENTRIES)
def test_an_entry_is_whole(text, title):
    entry = sections(text)[title]
    targets = [link["target"].split("/")[0] for link in LINK.finditer(entry)]
    assert {"tf1_style", "tf2_style"} <= set(targets)
    assert targets == sorted(targets) or len(targets) > 2  # the old before the new
    assert entry.count("\n**Why.**") == entry.count("\n**What goes wrong.**") == 1


def test_blocks_are_python(text):
    for block in BLOCK.finditer(text):
        assert block["info"] in ("python", "python old")
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
