"""What takes the place of a TensorFlow 1 symbol in a TensorFlow 2 program.

A name that only moved is in TensorFlow's own table of renames, which `tf_upgrade_v2` uses. The
names whose place something else takes are in successors.txt.
"""

import fnmatch
import functools
import importlib
import inspect
import os
import re
from collections import namedtuple

from tf1_style.run import old_names

_KERAS = "keras._tf_keras.keras"  # what `tf.keras` is without TF_USE_LEGACY_KERAS: Keras 3
GUIDE = "docs/migration.md"
WORK = ("gone", "rewrite", "rename", "none")  # the most first

# text : what to write instead; names in it are those of TensorFlow 2.21, Keras 3 and absl
# guide : the entry, such as docs/migration/variables.md#variables, or ""
# work : one of WORK
Successor = namedtuple("Successor", "text guide work")


def of(name):
    """Returns the Successor of a symbol such as "tensorflow.nn.relu" or "keras.layers.Dense"."""
    root, _, tail = name.partition(".")
    if root == "keras":
        return _of_keras(tail)
    if root == "tf_slim":
        tail = f"contrib.slim.{tail}"
    names = [tail]
    if name in old_names.NAMES:
        names.append(old_names.NAMES[name])
    if tail.startswith(("python.", "contrib.")):  # a name of the top, or of one of its modules
        *_, module, last = tail.split(".")
        names += [f"{module}.{last}", f"train.{last}", f"nn.{last}", last]
    for step in (_of_table, _of_rename, _of_same_name):
        for one in names:
            found = step(one)
            if found:
                is_moved = one != tail and found.work == "none"
                return found._replace(guide=_MOVED, work="rename") if is_moved else found
    if walk("tensorflow.compat.v1", tail) is not None:
        return Successor(
            f"tf.compat.v1.{tail}", anchor("tf.compat.v1 and tf_upgrade_v2"), "rewrite"
        )
    return Successor("", anchor("tf.contrib") if tail.startswith("contrib.") else "", "rewrite")


def anchor(title):
    """Returns the address of an entry of the guide, such as docs/migration/layers.md#batch-norm."""
    return pages()[title]


@functools.lru_cache(maxsize=None)
def rules():
    """Returns (pattern, text, title of the entry) of each line of successors.txt, in order."""
    found, title = [], None
    for line in _lines():
        if line.startswith("# "):
            title = line[2:].partition(": ")[2]
        elif title and line:
            patterns, _, text = line.partition(": ")
            found += [(pattern, text, title) for pattern in patterns.split()]
    return found


@functools.lru_cache(maxsize=None)
def pages():
    """Returns the addresses of the entries that successors.txt names, by title."""
    found = {}
    for line in _lines():
        if line.startswith("# "):
            page, _, title = line[2:].partition(": ")
            slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")  # as GitHub makes it
            found[title] = f"docs/migration/{page}#{slug}"
    return found


def _lines():
    path = os.path.join(os.path.dirname(__file__), "successors.txt")
    with open(path, encoding="utf-8") as file:
        return [line.strip() for line in file]


_MOVED = anchor("tf.log and other names that moved")


def _of_table(tail):
    if tail.startswith("keras."):
        return _of_keras(tail[6:], work="none")
    short = re.sub(r"^(contrib\.layers|contrib\.slim|layers)\.(.*\.)?", "layers.", tail)
    short = re.sub(
        r"^(contrib\.rnn|nn\.rnn_cell|models\.rnn\.rnn_cell)\.(.*\.)?", "rnn_cell.", short
    )
    for pattern, text, title in rules():
        if fnmatch.fnmatchcase(short, pattern):
            if text == "{keras}":
                text = _keras_class(short.rpartition(".")[2])
            return Successor(text, anchor(title), "rewrite")
    return None


def _of_rename(tail):
    from tensorflow.tools.compatibility.all_renames_v2 import symbol_renames

    new = symbol_renames.get(f"tf.{tail}", "tf.compat.v1")
    if new.startswith("tf.compat.v1") or walk("tensorflow", new[3:]) is None:
        return None
    return Successor(new, _MOVED, "rename")


def _of_same_name(tail):
    new, old = walk("tensorflow", tail), walk("tensorflow.compat.v1", tail)
    if new is None:
        return None
    titles = [title for title in (f"tf.{tail}", tail.rpartition(".")[2]) if title in pages()]
    if old is None or new is old or _arguments(new) == _arguments(old):
        return Successor(f"tf.{tail}", anchor(titles[0]) if titles else "", "none")
    titles.append("tf.nn and other operations whose arguments changed")
    return Successor(f"tf.{tail}, some of whose arguments changed", anchor(titles[0]), "rename")


def _of_keras(tail, work="rename"):
    """Keras 2 -> Keras 3, where names of inner modules are known by their last part."""
    if walk(_KERAS, tail) is not None:
        return Successor(f"tf.keras.{tail}", "", work)
    last = tail.rpartition(".")[2]
    for place in ("layers", "models", "utils", "optimizers", "regularizers", "callbacks"):
        if walk(_KERAS, f"{place}.{last}") is not None:
            return Successor(f"tf.keras.{place}.{last}", "", "rename")
    return Successor("", "", "rewrite")


def _keras_class(name):
    """Returns the layer of Keras that is written so: max_pool2d and max_pooling2d are MaxPool2D."""
    plain = re.sub(r"convolution", "conv", name.replace("_", "").lower())
    for layer in dir(walk(_KERAS, "layers")):
        if layer.lower() == plain:
            return f"tf.keras.layers.{layer}"
    return "tf.keras.layers"


def walk(module, tail):
    """Returns the value of a dotted name in an installed module, or None."""
    value = importlib.import_module(module)
    for part in tail.split("."):
        value = getattr(value, part, None)
    return value


def _arguments(value):
    try:
        return list(inspect.signature(value).parameters)
    except (TypeError, ValueError):
        return None
