"""Turns texts into numbers: tokens, a vocabulary by frequency, rows of one length."""

from __future__ import annotations

import re
from collections import Counter
from typing import Iterable, Sequence

import numpy as np

PADDING, UNKNOWN = 0, 1  # the first two indices of every vocabulary
SPECIAL = ["", "[unknown]"]  # no token is like them

# Letters and digits, and apostrophes between them: "it's" is one token.
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def tokenize(text: str) -> list[str]:
    """Returns the words of a text in lower case, without punctuation."""
    return _TOKEN.findall(text.lower().replace("\u2019", "'"))


def vocabulary(texts: Iterable[str], size: int) -> list[str]:
    """Returns the words of a vocabulary, by index.

    Parameters
    ----------
    texts : the texts to count words in.
    size : the most words to return, `SPECIAL` included.

    Returns
    -------
    list of at most `size` words: "" for padding, "[unknown]", then the most frequent words of the
    texts. Words that are equally frequent are in the order of their characters.
    """
    counts = Counter(word for text in texts for word in tokenize(text))
    by_frequency = sorted(counts, key=lambda word: (-counts[word], word))
    return (SPECIAL + by_frequency)[:size]


def encode(texts: Sequence[str], words: Sequence[str], length: int) -> np.ndarray:
    """Returns the texts as rows of indices into `words`.

    Parameters
    ----------
    texts : n texts.
    words : a vocabulary. The index of a word that it lacks is `UNKNOWN`.
    length : the length of each row, at least 1.

    Returns
    -------
    int32 array [n, length]. A short text has zeros in front. A long text keeps its last words. So
    does Keras's `pad_sequences` by default.
    """
    index = {word: number for number, word in enumerate(words)}
    return pad([[index.get(word, UNKNOWN) for word in tokenize(text)] for text in texts], length)


def pad(rows: Sequence[Sequence[int]], length: int) -> np.ndarray:
    """Returns rows of numbers as an int32 array [rows, length], as `encode` does."""
    padded = np.full((len(rows), length), PADDING, np.int32)
    for number, row in enumerate(rows):
        row = row[-length:]
        padded[number, length - len(row) :] = row
    return padded
