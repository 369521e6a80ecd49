"""Finds the entries of the migration guide about a message or a symptom.

An entry whose message is in the text comes first, then one about a name that the message says is
missing, then the one whose words fit best, by Okapi BM25 (Robertson and Zaragoza 2009).
"""

import ast
import collections
import fnmatch
import functools
import importlib.util
import math
import re
from pathlib import Path

from compare import guide

# The usual constants of BM25. A word of a title, of what is seen or of the index counts as three
# words of the text.
K1, B = 1.2, 0.75
WEIGHTS = {"title": 3, "seen": 3, "names": 3, "code": 1, "text": 1}
# Nothing is known if the best entry has less than this part of the query's weight, or fewer words
# of it than this, or none of the names that the message quotes. A name with a dot is enough.
KNOWN, WORDS = 0.15, 2
LONG = 4  # words that a sentence of a message needs to be known by
MOVED = "tf.log and other names that moved"
KEPT = "tf.compat.v1 and tf_upgrade_v2"

_STOP = set(
    "a about after again all also an and any are as at be because been before but by can cannot do "
    "does for from get gets give gives had has have how i if in into is it its my no not now of on "
    "or our out so still than that the their them then there these they this to too was what when "
    "where which while who why will with you your error errors python old line file call".split()
)
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+(?:\.\d+)?")
_ERROR = re.compile(r"^(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Warning): ")
# What says that a name is missing: the module, and the name in it.
_MODULE = r"['\"]?(?P<module>(?:tensorflow|keras)[\w.]*)['\"]?"
_NAME = r"['\"]?(?P<name>\w+)['\"]?"
_MISSING = [
    re.compile(rf"(?:module )?{_MODULE} has no attribute {_NAME}"),
    re.compile(rf"(?P<module>'module') object has no attribute {_NAME}"),
    re.compile(rf"cannot import name {_NAME}(?: from {_MODULE})?"),
    re.compile(
        r"[Nn]o module named ['\"]?(?P<module>(?:tensorflow|keras)(?:\.\w+)*)\.(?P<name>\w+)['\"]?"
    ),
]
_ROW = re.compile(
    r"^\| (?P<names>.*?) \| .*\(migration/[\w-]+\.md#(?P<slug>[^)]+)\) \|$", re.MULTILINE
)


def search(message: str, code: str = "") -> list[guide.Entry]:
    """Returns the entries about a message and the user's line, the best first.

    None if the guide knows nothing about the message.
    """
    entries, documents, patterns = _library()
    said, missing = _plain(message), _missing(message)
    words = _words(_named(message))
    exact = [_exact(pattern, said) for pattern in patterns]
    named = _named_entries(missing)
    scores, best = _bm25(documents, words)
    with_code, _ = _bm25(documents, [*words, *_words(code)])
    order = sorted(
        range(len(entries)), key=lambda n: (-exact[n], -named[n], -with_code[n], -scores[n], n)
    )
    if not order or not (
        exact[order[0]]
        or named[order[0]]
        or _is_known(message, words, documents[order[0]], max(scores), best)
    ):
        return []
    return [entries[n] for n in order if exact[n] or named[n] or with_code[n] > 0]


@functools.cache
def _library() -> tuple[list[guide.Entry], list[collections.Counter], list[list[str]]]:
    entries = guide.entries()
    return entries, [_document(entry) for entry in entries], [_sentences(e) for e in entries]


def _is_known(message, words, document, score, best) -> bool:
    """Returns whether the best entry has enough of a text to be about it."""
    shared = set(words) & set(document)
    if any("." in word for word in shared):  # a name such as tf.placeholder
        return True
    names = re.findall(r"'([\w.]{3,})'", message)
    quoted = [word for name in names for word in _words(name) if "." not in name]
    return (
        len(shared) >= WORDS
        and score >= KNOWN * best
        and (not names or not shared.isdisjoint(quoted))
    )


def _missing(message: str) -> list[str]:
    """Returns the names that a message says are missing, such as tf.train.AdamOptimizer."""
    return [_full_name(found) for pattern in _MISSING for found in pattern.finditer(message)]


def _named(message: str) -> str:
    """Returns a message with names in place of the phrases that say that they are missing."""
    for pattern in _MISSING:
        message = pattern.sub(_full_name, message)
    return message


def _full_name(found: re.Match) -> str:
    module = (found["module"] or "").strip("'") or "keras"
    module = re.sub(r"^(?:keras\._tf_keras|tensorflow(?:\.python)?)\.keras\b", "keras", module)
    module = re.sub(
        r"^(?:module|tensorflow(?:_core)?(?:\._api\.v[12])?(?:\.compat\.v1)?)(?=\.|$)", "tf", module
    )
    return f"{module}.{found['name']}"


def moved(message: str) -> dict[str, str]:
    """Returns the new names of the names that a message says are missing, by the old ones."""
    return {name: renames()[name] for name in _missing(message) if name in renames()}


def _named_entries(missing: list[str]) -> list[bool]:
    """Returns for each entry whether it is the one about a missing name.

    The index names it beside the entry, or TensorFlow's table of renames says that it has moved, or
    that only tf.compat.v1 has it and no entry speaks of it.
    """
    entries, documents, _ = _library()
    titles = set()
    for name in missing:
        new = renames().get(name, "tf.compat.v1.")
        if not new.startswith("tf.compat.v1."):
            titles.add(MOVED)
        elif name in renames() and not any(_stem(name.lower()) in one for one in documents):
            titles.add(KEPT)
    return [
        entry.title in titles
        or any(
            fnmatch.fnmatchcase(name, pattern)
            for pattern in _index().get(guide.slug(entry.title), [])
            for name in missing
        )
        for entry in entries
    ]


@functools.cache
def renames() -> dict[str, str]:
    """Returns TensorFlow's own table of names that moved; {} without TensorFlow."""
    found = importlib.util.find_spec("tensorflow")
    folders = list(found.submodule_search_locations or []) if found else []
    for folder in folders:
        path = Path(folder, "tools", "compatibility", "renames_v2.py")
        if path.is_file():
            (table,) = [
                node.value
                for node in ast.parse(path.read_text(encoding="utf-8")).body
                if isinstance(node, ast.Assign) and node.targets[0].id == "renames"
            ]
            return ast.literal_eval(table)
    return {}


@functools.cache
def _index() -> dict[str, list[str]]:
    """Returns the names of TensorFlow 1 that the index has beside each entry, by its slug."""
    names = collections.defaultdict(list)
    if guide.INDEX.is_file():
        for row in _ROW.finditer(guide.INDEX.read_text(encoding="utf-8")):
            names[row["slug"]] += re.findall(r"`([\w.*]+)", row["names"])
    return names


def _sentences(entry: guide.Entry) -> list[str]:
    """Returns the title of an entry, and the sentences of its message."""
    messages = [token.content for token in entry.tokens if token.info == "text"]
    if not messages:
        return []
    text = _ERROR.sub("", " ".join(messages[0].split()))
    return [entry.title, *re.split(r"(?<=[.?!]) (?=[A-Z`<])|(?<= \.\.\.) ", text)]


def _exact(sentences: list[str], said: str) -> int:
    """Returns how many characters of an entry's title or message are in a text, 0 if too few."""
    found = [_found(sentence, said) for sentence in sentences]
    return max(found[0], sum(found[1:])) if found else 0


def _found(sentence: str, said: str) -> int:
    parts = [_plain(part) for part in sentence.split("...")]
    if sum(len(part.split()) for part in parts) < LONG - 1:
        return 0
    place = 0
    for part in parts:
        place = said.find(part.rstrip(), place)
        if place < 0:
            return 0
        place += len(part.rstrip())
    return sum(map(len, parts))


def _plain(text: str) -> str:
    """Returns the words of a text between single spaces, without quotes and other marks."""
    return " ".join(["", *re.findall(r"[\w.]*\w", text.lower()), ""])


def _document(entry: guide.Entry) -> collections.Counter:
    """Returns how often each word stands in an entry, weighted by where."""
    fences = {token.info: token.content for token in entry.tokens if token.type == "fence"}
    code = fences.get("python before", "") + fences.get("python fails", "")
    seen = re.search(r"\*\*You see\.\*\*(.*?)\n\n", entry.text, re.DOTALL)
    parts = {
        "title": _named(entry.title),
        "seen": _named(fences.get("text", "") + (seen[1] if seen else "")),
        "names": " ".join(_index().get(guide.slug(entry.title), [])),
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
