"""Finds the entries of the migration guide about a message or a symptom.

An entry comes first that has what the message says is gone in a table, then one whose message is in
the text, then one about a name that the message says is missing, then one that quotes the message
somewhere, then the one whose words fit best, by Okapi BM25 (Robertson and Zaragoza 2009).
"""

import ast
import collections
import contextlib
import fnmatch
import functools
import importlib.util
import math
import re
from dataclasses import dataclass
from pathlib import Path

from compare import guide

# The usual constants of BM25. A word of a title, of what is seen or of the index counts as three
# words of the text.
K1, B = 1.2, 0.75
WEIGHTS = {"title": 3, "seen": 3, "names": 3, "code": 1, "text": 1}
# Nothing is known if the best entry has less than this part of the query's weight, or if fewer
# words of the text are in its title, in what is seen or in its examples: two, or three if the text
# has no word of the field. A name such as tf.placeholder or RunMetadata is enough.
KNOWN, WORDS = 0.15, 2
LONG = 3  # words that a sentence of a message needs to be known by
MOVED = "tf.log and other names that moved"
KEPT = "tf.compat.v1 and tf_upgrade_v2"
KERAS = "cannot import name 'np_utils' from 'keras.utils'"
ANY = "any"
KERAS_NAMES = "module 'keras.losses' has no attribute 'mean_squared_error'"

_STOP = set(
    "a about after again all also an and any are as at be because been before but by can cannot do "
    "does for from get gets give gives had has have how i if in into is it its my no not now of on "
    "object or our out so still than that the their them then there these they this to too was "
    "what when where which while who why will with you your error errors python old line file "
    "call nonetype".split()
)
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+(?:\.\d+)?")
_IDENTIFIER = re.compile(r"[a-z][A-Z]")  # as in RunMetadata
_ERROR = re.compile(r"\b(?:\w+\.)*([A-Z]\w*(?:Error|Exception|Warning))\b:?")
_FIELD = re.compile(
    r"(?i)\btf\d?\b|tensor|keras|numpy|\bnp\b|\bpip\b|protobuf|h5|session|eager|graph|checkpoint"
    r"|gradient|optimizer|layer|batch|\bloss|accuracy|train|\bgpu|seed"
)
# What says that a name is missing: the module, and the name in it.
_MODULE = r"['\"]?(?P<module>(?:tensorflow|keras)[\w.]*)['\"]?"
_NAME = r"['\"]?(?P<name>\w+)['\"]?"
_MISSING = [
    re.compile(rf"(?:module )?{_MODULE} has no attribute {_NAME}"),
    re.compile(rf"(?P<module>'module') object has no attribute {_NAME}"),
    re.compile(rf"cannot import name {_NAME} from {_MODULE}"),
    re.compile(
        r"[Nn]o module named ['\"]?(?P<module>(?:tensorflow|keras)(?:\.\w+)*)\."
        r"(?P<name>\w+)['\"]?"
    ),
]
# The same of an object, which is told by the name and by its kind, of a module and of a variable.
_OTHERS = {
    "object": re.compile(
        rf"(?:['\"]?(?P<kind>[\w.]+)['\"]? )?(?:object )?has no attribute {_NAME}"
    ),
    "module": re.compile(r"(?P<kind>)[Nn]o module named ['\"]?(?P<name>[\w.]+)['\"]?"),
    "variable": re.compile(rf"(?P<kind>)name {_NAME} is not defined"),
}
# What went, as the first column of a table has it: fit(nb_epoch=), init= of any layer,
# optimizer.lr, history["acc"], keras.layers.merge.
_ARGUMENT = re.compile(
    r"(?:(?P<owner>\w+)\.)?(?P<call>\w+)\(\) got an unexpected keyword argument '(?P<name>\w+)'"
)
_ARGUMENTS = re.compile(
    r"(?:Unrecognized keyword arguments passed to (?P<call>\w+)|Argument\S* not recognized): "
    r"\{(?P<names>.*)"
)
_ATTRIBUTE = re.compile(r"(?P<kind>\w+)'? (?:object )?has no attribute '(?P<name>\w+)'")
_METHOD = re.compile(r"_[a-z]|(?:get|add|reset|make|to)_")
_KEY = re.compile(r"KeyError: '(?P<name>\w+)'")
_KINDS = {
    "optimizer": r"SGD|RMSprop|Ada\w+|Nadam|Ftrl|Lion|Lamb|Muon|\w*Optimizer",
    "model": r"Sequential|Functional|\w*Model",
    "layer": r"\w*(?:Dense|Conv\dD|Conv\dDTranspose|LSTM|GRU|RNN|Embedding|Normalization|Dropout"
    r"|Pooling\dD|Flatten|Activation|InputLayer|Lambda|Layer|Sequential|Functional)",
    "metric": r"Mean|\w*Accuracy|AUC|Precision|Recall|F1Score|\w*Metric",
    "callback": r"\w*Callback|EarlyStopping|ModelCheckpoint|TensorBoard",
    "dataset": r"\w*Dataset(?:V\d)?",
    "iterator": r"\w*Iterator(?:Base|V\d)?",
    "tensor": r"EagerTensor|SymbolicTensor|Tensor|KerasTensor",
    "variable": r"ResourceVariable|Variable",
    "shape": r"tuple",
}
_TABLE = re.compile(r"^\| (?P<old>[^|]*`[^|]*) \| (?P<new>[^|]*) \|", re.MULTILINE)
_ANY_NAME = re.compile(r"(?:has no attribute|unexpected keyword argument)[ .']*$")
_COMMAND = re.compile(r"(?:python|pip|compare|checkpoint|parity|tensorboard|\./\S+) |\w+ -")
_ROW = re.compile(
    r"^\| (?P<names>.*?) \| .*\(migration/[\w-]+\.md#(?P<slug>[^)]+)\) \|$", re.MULTILINE
)


@dataclass(frozen=True)
class Document:
    """What an entry is found by.

    Attributes
    ----------
    words : how often each stands in it, weighted by where.
    telling : those that are not only in its prose.
    sentences : those of its message.
    forms : other forms of the message: the title, and what is quoted as seen.
    quotes : all messages that it quotes.
    names : what the index has beside it.
    gone : what its tables have in the first column, and what they have beside it.
    """

    words: collections.Counter
    telling: set[str]
    sentences: list[str]
    forms: list[str]
    quotes: list[str]
    names: list[str]
    gone: dict[str, str]


def search(message: str, code: str = "") -> list[guide.Entry]:
    """Returns the entries about a message and the user's line, the best first.

    None if the guide knows nothing about the message.
    """
    entries, documents = _library()
    message = _as_written(message, code)
    said, missing, words = _plain(message), _missing(message), _words(_named(message))
    exact = [_exact(document, said) for document in documents]
    quoted = [_longest(document.quotes, said) for document in documents]
    named = _named_entries(message, [*missing, *_whole(missing, code)])
    went = _gone(message, code)
    gone = [len(_replaced(document, went)) for document in documents]
    scores, best = _bm25(documents, words)
    with_code, _ = _bm25(documents, [*words, *_words(code)])
    order = sorted(
        range(len(entries)),
        key=lambda n: (
            *(-gone[n], -exact[n], -named[n], -quoted[n]),
            *(-with_code[n], -scores[n], n),
        ),
    )
    if not order or not (
        gone[order[0]]
        or exact[order[0]]
        or named[order[0]]
        or quoted[order[0]]
        or _is_known(message, documents[order[0]], max(scores) / max(best, 1e-9))
    ):
        return []
    return [entries[n] for n in order if gone[n] or exact[n] or named[n] or with_code[n] > 0]


def replaced(entry: guide.Entry, message: str, code: str = "") -> dict[str, str]:
    """Returns what a message says is gone and the entry's tables have, with what is instead."""
    entries, documents = _library()
    return _replaced(documents[entries.index(entry)], _gone(_as_written(message, code), code))


def _as_written(message: str, code: str) -> str:
    """Returns a message with tf.losses, if the line has it: TensorFlow 2 names Keras's module."""
    for module in ("losses", "metrics", "initializers"):
        if re.search(rf"\btf\.{module}\.", f"{message} {code}"):
            message = re.sub(rf"'keras[\w.]*\.{module}'", f"'tensorflow.{module}'", message)
    return message


def _replaced(document: Document, names: set[str]) -> dict[str, str]:
    """Returns the rows of an entry's tables about some names; a row of "*" is about several."""
    return {
        row: new
        for row, new in document.gone.items()
        if any(_is_about(row, name) for name in names)
    }


def _is_about(row: str, name: str) -> bool:
    kind, _, last = name.partition(".")
    return (
        row == name
        or ("*" in row and fnmatch.fnmatchcase(name, row))
        or (kind == ANY and row.partition(".")[0] in _KINDS and row.partition(".")[2] == last)
    )


def _gone(message: str, code: str) -> set[str]:
    """Returns what a message says is gone, as a table of the guide may have it."""
    names = []
    for found in _ARGUMENT.finditer(message):
        call = found["owner"] if found["call"] == "__init__" else found["call"]
        names.append(f"{call}({found['name']}=)")
    from_file = re.search(r"load_model|from_(?:json|config)\(|deserializ", f"{message} {code}")
    for found in _ARGUMENTS.finditer("" if from_file else message):
        for name in re.findall(r"'(\w+)': ", found["names"]):
            names += [f"{name}=", f"{found['call']}({name}=)"]
    for found in _ATTRIBUTE.finditer(message):
        kinds = [kind for kind, pattern in _KINDS.items() if re.fullmatch(pattern, found["kind"])]
        if not kinds and _METHOD.match(found["name"]):
            kinds = [ANY]  # a class of the user's, which inherits from one of Keras
        names += [f"{kind}.{found['name']}" for kind in kinds]
    names += [f'history["{found["name"]}"]' for found in _KEY.finditer(message)]
    names += re.findall(r"(?:No module named|from) '(tensorflow\.python\.keras)\b", message)
    return {*names, *(name for name in _missing(message) if name.startswith("keras."))}


def _whole(missing: list[str], code: str) -> list[str]:
    """Returns the names in a line that begin with a missing one: tf.contrib.learn of tf.contrib."""
    names = re.findall(r"\btf\.[\w.]*\w", code)
    return [name for name in names for start in missing if name.startswith(f"{start}.")]


@functools.cache
def _library() -> tuple[list[guide.Entry], list[Document]]:
    entries = guide.entries()
    return entries, [_document(entry) for entry in entries]


def _is_known(message: str, document: Document, part: float) -> bool:
    """Returns whether an entry has enough of a text to be about it."""
    text = _named(message)
    phrases = [word for kind in _OTHERS for word in re.findall(rf"\b{kind}\.\w+", text)]
    shared = [
        name
        for name in _names(text)
        if not name.endswith("error") and not document.telling.isdisjoint(_words(name))
    ]
    # Whose attribute a row of a table is, the row says: not that of any object.
    in_rows = {_stem(f"object.{row.rpartition('.')[2]}".lower()) for row in document.gone}
    if any(
        re.search(r"[._]", word) or (_IDENTIFIER.search(name) and word == name.lower())
        for name in shared
        for word in _words(name)
        if word in document.words and word not in in_rows
    ):
        return True
    quoted = re.findall(r"'([\w.]{3,})'", text)
    return (
        not phrases
        and part >= KNOWN
        and len(set(shared)) >= WORDS + (not _FIELD.search(text))
        and (not quoted or any(not document.telling.isdisjoint(_words(name)) for name in quoted))
    )


def _missing(message: str) -> list[str]:
    """Returns the names that a message says are missing, such as tf.train.AdamOptimizer."""
    names = _full_names(message)
    # tf.losses, tf.metrics and tf.initializers are Keras's in TensorFlow 2.
    own = re.compile(r"keras\.(?=(?:losses|metrics|initializers)\.)")
    return [*names, *(own.sub("tf.", name) for name in names if own.match(name))]


def _named(message: str) -> str:
    """Returns a message with names in place of the phrases that say that they are missing."""
    message = _ERROR.sub(lambda found: found[1].lower(), message)  # no parts, as AttributeError has
    for pattern in _MISSING:
        message = pattern.sub(_full_name, message)
    for kind, pattern in _OTHERS.items():
        message = pattern.sub(rf"\g<kind> {kind}.\g<name>", message)
    return message


def _full_names(message: str) -> list[str]:
    return [_full_name(found) for pattern in _MISSING for found in pattern.finditer(message)]


def _full_name(found: re.Match) -> str:
    module = re.sub(
        r"^(?:keras\._tf_keras|tensorflow(?:\.python)?)\.keras\b", "keras", found["module"]
    )
    module = re.sub(
        r"^(?:'module'|tensorflow(?:_core)?(?:\._api\.v[12])?(?:\.compat\.v1)?)(?=\.|$)",
        "tf",
        module,
    )
    module = re.sub(r"^tensorflow_estimator[\w.]*", "tf.estimator", module)
    return f"{module}.{found['name']}"


def moved(message: str, code: str = "") -> dict[str, str]:
    """Returns the new names of the names in a line and of those that are missing, by the old.

    The tables are of 2019: what they say of Keras and of contrib is not so any more.
    """
    names = [*_missing(message), *re.findall(r"\btf\.(?!keras\.|contrib\.)[\w.]*\w", code)]
    found = {name: renames()[name] for name in names if name in renames()}
    return {old: new for old, new in found.items() if not new.startswith("tf.compat.v1.")}


def _named_entries(message: str, missing: list[str]) -> list[int]:
    """Returns for each entry whether it is about a missing name.

    2: the index has the name beside the entry, or TensorFlow's table of renames says that it has
    moved. 1: the index has its module, or no entry speaks of it and it is in tf.compat.v1 or was in
    Keras.
    """
    entries, documents = _library()
    titles, last = set(), set()
    for name in missing:
        new = renames().get(name, "tf.compat.v1.")
        if not new.startswith("tf.compat.v1."):
            titles.add(MOVED)
        elif not any(_stem(name.lower()) in document.words for document in documents):
            last |= {KEPT} if name in renames() else set()
            if name.startswith("keras."):
                last.add(_about_keras(name, message))
    levels = []
    for entry, document in zip(entries, documents):
        fits = any(fnmatch.filter(missing, pattern) for pattern in document.names)
        modules = tuple(f"{name}." for name in document.names if "." in name)
        inside = any(name.startswith(modules) for name in missing)
        levels.append(2 if fits or entry.title in titles else int(inside or entry.title in last))
    return levels


def _about_keras(name: str, message: str) -> str:
    """Returns the title of the entry that may be about a name that Keras 3 does not have."""
    last = _stem(name.rpartition(".")[2].lower())
    in_table = any(
        entry.title == KERAS and last in document.words for entry, document in zip(*_library())
    )
    return KERAS if in_table or "attribute" not in message else KERAS_NAMES


@functools.cache
def renames() -> dict[str, str]:
    """Returns TensorFlow's own tables of names that moved; {} without TensorFlow."""
    found, table = importlib.util.find_spec("tensorflow"), {}
    for folder in (found and found.submodule_search_locations) or []:
        for name in ("renames_v2.py", "all_renames_v2.py"):
            path = Path(folder, "tools", "compatibility", name)
            tree = ast.parse(path.read_text(encoding="utf-8") if path.is_file() else "")
            for node in tree.body:
                if isinstance(node, ast.Assign) and node.targets[0].id.endswith("renames"):
                    with contextlib.suppress(ValueError):  # one is computed of the others
                        table |= ast.literal_eval(node.value)
    return table


@functools.cache
def _index() -> dict[str, list[str]]:
    """Returns the names of TensorFlow 1 that the index has beside each entry, by its slug."""
    names = collections.defaultdict(list)
    if guide.INDEX.is_file():
        for row in _ROW.finditer(guide.INDEX.read_text(encoding="utf-8")):
            names[row["slug"]] += re.findall(r"`([\w.*]+)", row["names"])
    return names


def _sentences(entry: guide.Entry) -> list[str]:
    """Returns the sentences of an entry's message."""
    messages = [token.content for token in entry.tokens if token.info == "text"]
    if not messages:
        return []
    text = re.sub(r"^\w+Error: ", "", " ".join(messages[0].split()))
    return re.split(r"(?<=[.?!]) (?=[A-Z`<])|(?<= \.\.\.) ", text)


def _exact(document: Document, said: str) -> int:
    """Returns how many characters of an entry's message, or a form of it, are in a text."""
    message = sum(_found(sentence, said) for sentence in document.sentences)
    return max(message, _longest(document.forms, said))


def _longest(messages: list[str], said: str) -> int:
    """Returns how many characters of one of some messages are in a text."""
    return max((_found(message, said) for message in messages), default=0)


def _found(sentence: str, said: str) -> int:
    parts = re.split(r"\.\.\.", sentence)
    plain = [_plain(part) for part in parts]
    if sum(len(part.split()) for part in plain) < LONG:
        return 0
    place = 0
    for number, (part, words) in enumerate(zip(parts, plain)):
        if not words.strip():
            continue
        # "...Dataset" is the end of a word, and "is enabled" ends with one.
        start = words.lstrip() if number and re.match(r"\w", part) else words
        end = start.rstrip() if number + 1 < len(parts) and re.search(r"\w$", part) else start
        place = said.find(end, place)
        if place < 0:
            return 0
        place += len(end.rstrip())
    return sum(map(len, plain))


def _plain(text: str) -> str:
    """Returns the words of a text between single spaces, without quotes and other marks."""
    return " ".join(["", *re.findall(r"[\w.]*\w", text.lower()), ""])


def _document(entry: guide.Entry) -> Document:
    fences = {token.info: token.content for token in entry.tokens if token.type == "fence"}
    code = fences.get("python before", "") + fences.get("python fails", "")
    seen = re.search(r"\*\*You see\.\*\*(.*?)\n\n", entry.text, re.DOTALL)
    names = [*_index().get(guide.slug(entry.title), []), *_full_names(entry.title)]
    parts = {
        "title": _named(entry.title),
        "seen": _named(" ".join((fences.get("text", "") + (seen[1] if seen else "")).split())),
        "names": " ".join(names),
        "code": " ".join(re.findall(r"\b(?:tf|keras|np|slim|flags)\.[\w.]+", code)),
        "text": re.sub(r"```.*?```|\]\([^)]*\)", "", entry.text, flags=re.DOTALL),
    }
    counts = collections.Counter()
    for name, text in parts.items():
        for word in _words(text):
            counts[word] += WEIGHTS[name]
    prose = {"text"} if entry.page != guide.INDEX else set()  # a question is in its reader's words
    telling = {word for name in parts.keys() - prose for word in _words(parts[name])}
    sentences = _sentences(entry)
    quoted = re.findall(r"`([^`]+)`", " ".join(seen[1].split()) if seen else "")
    forms = [entry.title, *quoted] if sentences else []
    gone = {
        name: _cell(row["new"])
        for row in _TABLE.finditer(entry.text)
        for name in re.findall(r"`([^`]+)`", row["old"])
    }
    return Document(counts, telling, sentences, forms, quotes(entry), names, gone)


def quotes(entry: guide.Entry) -> list[str]:
    """Returns the messages that the text of an entry quotes: what is neither code nor a command."""
    inlines = [token for token in entry.tokens if token.type == "inline"]
    spans = [part for token in inlines for part in token.children if part.type == "code_inline"]
    texts = [" ".join(span.content.split()) for span in spans]
    return [text for text in texts if _is_message(text)]


def _is_message(text: str) -> bool:
    words = re.findall(r"[a-z]{2,}", re.sub(r"'[^']*'", "", text))
    if len(_plain(text).split()) < LONG or len(words) < LONG:
        return False
    if _COMMAND.match(text) or _ANY_NAME.search(text):
        return False
    # A line, the head of a loop, a method's call, a call's arguments: all this is code.
    return not any(map(_is_code, (text, f"{text}: pass", f"x{text}", f"f({text})")))


def _is_code(text: str) -> bool:
    with contextlib.suppress(SyntaxError, ValueError):
        return bool(ast.parse(text))
    return False


def _cell(text: str) -> str:
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("`", "")


def _names(text: str) -> list[str]:
    return [name.strip("._") for name in re.findall(r"[A-Za-z_][\w.]*|\d+\.\d+", text)]


def _words(text: str) -> list[str]:
    """Returns the words of a text, and the parts of names such as tf.train.AdamOptimizer."""
    words = []
    for name in _names(text):
        name = re.sub(r"^tensorflow(?=\.)", "tf", name)
        parts = [part for part in _PARTS.findall(name) if len(part) > 1]
        wholes = [name[: dot.start()] for dot in re.finditer(r"(?<=\w\w)\.", name)]
        wholes = [whole for whole in wholes if "." in whole]  # tf.nn of tf.nn.rnn_cell
        words += {_stem(word.lower()) for word in (name, *wholes, *parts)}
    return [word for word in words if word not in _STOP]


def _stem(word: str) -> str:
    return re.sub(r"(?<=\w\w\w)(?:ing|ed|es|s)$", "", word)


def _bm25(documents: list[Document], query: list[str]) -> tuple[list[float], float]:
    """Returns the score of each document, and that of one that had every word of the query."""
    lengths = [sum(document.words.values()) for document in documents]
    mean = sum(lengths) / len(lengths) if lengths else 1
    scores, best = [0.0] * len(documents), 0.0
    for word in sorted(set(query)):
        having = sum(word in document.words for document in documents)
        weight = math.log(1 + (len(documents) - having + 0.5) / (having + 0.5))
        best += weight * (K1 + 1)
        for number, document in enumerate(documents):
            count = document.words[word]
            norm = K1 * (1 - B + B * lengths[number] / mean)
            scores[number] += weight * count * (K1 + 1) / (count + norm)
    return scores, best
