"""Explains a message of an old program: finds the entry of the migration guide about it.

  python -m compare explain "module 'tensorflow' has no attribute 'placeholder'"
  python old.py 2>&1 | python -m compare explain

Takes a message, a traceback or a symptom in your own words, as arguments or on the standard input.
"""

import argparse
import collections
import functools
import math
import re
import sys
from dataclasses import dataclass

from rich.console import Console
from rich.markdown import Markdown
from rich.padding import Padding
from rich.text import Text

from compare import guide
from shared.console import UserError

LONGEST = 200_000  # characters that are read, from the end: where a traceback stands
OTHERS = 2  # entries that are named besides the best

# Okapi BM25 (Robertson and Zaragoza 2009), with its usual constants. A word of a title or of what
# is seen counts as three words of the text.
K1, B = 1.2, 0.75
WEIGHTS = {"title": 3, "seen": 3, "code": 1, "text": 1}
# Nothing is known if the best entry has less than this part of the query's weight, or fewer words
# of it than this, or none of the names that the message quotes. A name with a dot is enough.
KNOWN, WORDS = 0.15, 2

_STOP = set(
    "a about after again all also an and any are as at be because been before but by can cannot do "
    "does for from get gets give gives had has have how i if in into is it its my no not now of on "
    "or our out so still than that the their them then there these they this to too was what when "
    "where which while who why will with you your error errors python old line file call".split()
)
_FRAME = re.compile(r'^[ \t]*File "(?P<file>[^"\n]+)", line (?P<line>\d+)', re.MULTILINE)
_LIBRARY = re.compile(r"[/\\](?:site|dist)-packages[/\\]|[/\\]lib[/\\]python\d|^<|\bimportlib\b")
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+(?:\.\d+)?")
_RAISED = re.compile(r"^(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Warning|Exit|Interrupt)\b")
_LOGGED = re.compile(r"^(?:ERROR|WARNING)\b|\bWARNING:|\bError:|retracing")


@dataclass(frozen=True)
class Report:
    """What a text says.

    Attributes
    ----------
    message : the last error, or the warnings, or all of a text that has neither.
    place : file and line of the user's own line in the traceback, such as "old.py:12", or "".
    code : that line.
    program : the file of the program, or "".
    """

    message: str
    place: str
    code: str
    program: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("message", nargs="*", help="without one, the standard input is read")


def main(arguments: argparse.Namespace) -> int:
    text = " ".join(arguments.message)
    if not text:
        if sys.stdin.isatty():
            raise UserError(
                "got no message, expected one as an argument, or a program's output: "
                "python old.py 2>&1 | python -m compare explain"
            )
        text = sys.stdin.buffer.read().decode("utf-8", "replace")
    report = read(text[-LONGEST:])
    found = search(f"{report.message}\n{report.code}")
    if not found:
        shown = " ".join(report.message.split())[:200]
        raise UserError(
            f"the guide knows nothing about {shown!r}; docs/migration.md lists its entries"
        )
    width = None if sys.stdout.isatty() else 100
    show(report, found, Console(highlight=False, width=width))
    return 0


def read(text: str) -> Report:
    """Returns the message of a program's output, and the user's own line."""
    lines = text.splitlines()
    raised = [number for number, line in enumerate(lines) if _RAISED.match(line)]
    logged = [line for line in lines if _LOGGED.search(line)]
    if raised:
        message = "\n".join(lines[raised[-1] :]).partition("\nOriginal stack trace")[0]
    else:
        message = "\n".join(logged) or text.strip()
    frames = [frame for frame in _FRAME.finditer(text) if not _LIBRARY.search(frame["file"])]
    if not frames:
        return Report(message, "", "", "")
    own = frames[-1]
    code = text[own.end() :].partition("\n")[2].partition("\n")[0].strip()
    place = f"{own['file'].rpartition('/')[2]}:{own['line']}"
    return Report(message, place, code, frames[0]["file"])


def search(query: str) -> list[guide.Entry]:
    """Returns the entries about a text, the best first; none if the guide knows nothing."""
    entries, documents = _library()
    said = " ".join(query.split())
    # An entry whose message is in the text word for word comes first, the longest of them.
    exact = [_exact(entry, said) for entry in entries]
    scores, best = _bm25(documents, _words(query))
    order = sorted(range(len(entries)), key=lambda n: (-exact[n], -scores[n], n))
    if not order or not (
        exact[order[0]] or _is_known(query, documents[order[0]], max(scores), best)
    ):
        return []
    return [entries[number] for number in order if exact[number] or scores[number] > 0]


@functools.cache
def _library() -> tuple[list[guide.Entry], list[collections.Counter]]:
    entries = guide.entries()
    return entries, [_document(entry) for entry in entries]


def _is_known(query: str, document: collections.Counter, score: float, best: float) -> bool:
    """Returns whether the best entry has enough of a text to be about it."""
    shared = set(_words(query)) & set(document)
    if any("." in word for word in shared):  # a name such as tf.placeholder
        return True
    names = re.findall(r"'([\w.]{3,})'", query)
    quoted = [word for name in names for word in _words(name) if "." not in name]
    return (
        len(shared) >= WORDS
        and score >= KNOWN * best
        and (not names or not shared.isdisjoint(quoted))
    )


def show(report: Report, found: list[guide.Entry], console: Console) -> None:
    """Prints the best entry, the names of the next, and how to run the program as it is."""
    entry, *others = found
    if report.place:
        console.print(Text(f"{report.place}  {report.code}", style="bold"))
    shown = report.message.strip().splitlines()
    console.print(Text(shown[0][:300] if shown else ""), end="\n\n")
    heading = Text(entry.title, style="bold").append(f" ({entry.address})", style="not bold dim")
    console.print(heading, soft_wrap=True)
    console.print(Padding(Markdown(_short(entry)), (1, 0, 1, 2)))
    for other in others[:OTHERS]:
        console.print(Text(f"see also: {other.title} ({other.address})"), soft_wrap=True)
    program = report.program or "old.py"
    offer = f"to run the program as it is, unchanged: ./run_all.sh old {program}"
    console.print(Text(offer), soft_wrap=True)


def _short(entry: guide.Entry) -> str:
    """Returns an entry without the lines of the twins and without what makes TensorFlow say it."""
    text = re.sub(
        r"\n\*\*The twins\.\*\*.*?(?=\n\*\*(?:Keras|Why)\.)", "", entry.text, flags=re.DOTALL
    )
    text = re.sub(r"```(?:text|python fails)\n.*?```\n", "", text, flags=re.DOTALL)
    text = re.sub(r"^(```\w+) \w+$", r"\1", text, flags=re.MULTILINE)
    return re.sub(r"\[([^\]]*)\]\(([^)\s]+)\)", r"\1", text)


def _exact(entry: guide.Entry, said: str) -> int:
    """Returns how many characters of an entry's message are in a text; 0 if one is missing."""
    messages = [token.content for token in entry.tokens if token.info == "text"]
    parts = [" ".join(part.split()) for part in "".join(messages[:1]).split("...")]
    place = 0
    for part in parts:
        place = said.find(part, place)
        if place < 0:
            return 0
        place += len(part)
    return sum(map(len, parts))


def _document(entry: guide.Entry) -> collections.Counter:
    """Returns how often each word stands in an entry, weighted by where."""
    fences = {token.info: token.content for token in entry.tokens if token.type == "fence"}
    code = fences.get("python before", "") + fences.get("python fails", "")
    seen = re.search(r"\*\*You see\.\*\*(.*?)\n\n", entry.text, re.DOTALL)
    parts = {
        "title": entry.title,
        "seen": fences.get("text", "") + (seen[1] if seen else ""),
        "code": " ".join(re.findall(r"\b(?:tf|keras|np|slim|flags)\.[\w.]+", code)),
        "text": re.sub(r"```.*?```|\]\([^)]*\)", "", entry.text, flags=re.DOTALL),
    }
    counts = collections.Counter()
    for name, text in parts.items():
        for word in _words(text):
            counts[word] += WEIGHTS[name]
    return counts


def _words(text: str) -> list[str]:
    """Returns the words of a text, and the parts of names such as tf.train.AdamOptimizer."""
    words = []
    for name in re.findall(r"[A-Za-z_][\w.]*|\d+\.\d+", text):
        name = name.strip("._")
        parts = [part for part in _PARTS.findall(name) if len(part) > 1]
        words += {_stem(word.lower()) for word in (name, *parts)}
    return [word for word in words if word not in _STOP]


def _stem(word: str) -> str:
    return re.sub(r"(?<=\w\w\w)(?:ing|ed|es|s)$", "", word)


def _bm25(documents: list[collections.Counter], query: list[str]) -> tuple[list[float], float]:
    """Returns the score of each document, and that of one that had every word of the query."""
    lengths = [sum(document.values()) for document in documents]
    mean = sum(lengths) / len(lengths) if lengths else 1
    scores, best = [0.0] * len(documents), 0.0
    for word in sorted(set(query)):
        having = sum(word in document for document in documents)
        weight = math.log(1 + (len(documents) - having + 0.5) / (having + 0.5))
        best += weight * (K1 + 1)
        for number, document in enumerate(documents):
            count = document[word]
            norm = K1 * (1 - B + B * lengths[number] / mean)
            scores[number] += weight * count * (K1 + 1) / (count + norm)
    return scores, best
