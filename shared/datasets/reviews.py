"""Reviews of films, positive or negative: `movie_reviews` and `imdb`.

movie_reviews: 10,605 snippets with the mean of twenty people's ratings (C. Hutto, E. Gilbert,
"VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text", 2014).
imdb: 50,000 reviews as Keras has them (A. Maas et al., "Learning Word Vectors for Sentiment
Analysis", 2011).
"""

from __future__ import annotations

import contextlib
import io
import json
import os

import numpy as np
from absl.flags import FlagValues

from shared import files, npz
from shared.datasets import Dataset, Examples, sources
from shared.datasets.text import SPECIAL, UNKNOWN, encode, pad, vocabulary

LENGTHS = {"movie_reviews": 64, "imdb": 500}  # words of a review, by default
SNIPPETS, IMDB, IMDB_WORDS = sources.DOWNLOADS
_IMDB_ARRAYS = [
    part + kind for part in ("train", "test") for kind in ("_words", "_lengths", "_labels")
]


def load(flags: FlagValues) -> Dataset:
    """Returns the reviews that the flags name, and sets `flags.length` if it is None.

    Returns
    -------
    Dataset of Examples: `words` int32 [n, flags.length], `positive` float32 [n], 0 or 1.

    Raises
    ------
    DataError : the dataset is not available, or is damaged.
    """
    if flags.length is None:
        flags.length = LENGTHS[flags.dataset]
    return (_load_imdb if flags.dataset == "imdb" else _load_snippets)(flags)


def words(flags: FlagValues) -> list[str]:
    """Returns the words of the reviews by index, at most `flags.vocabulary` of them."""
    if flags.dataset == "imdb":
        return _words_of_imdb(flags.data_dir)[: flags.vocabulary]
    texts, _ = _snippets(flags.data_dir)
    train, _, _ = split(len(texts))
    return vocabulary([texts[number] for number in train], flags.vocabulary)


def split(count: int) -> list[np.ndarray]:
    """Returns the indices of the examples for training, validation and test.

    The number of an example is its index plus 1. Numbers that end with 5 validate, those that end
    with 0 test. The order of the training examples is random but fixed, because the file begins
    with the positive ones.
    """
    numbers = 1 + np.random.RandomState(0).permutation(count)
    last = numbers % 10
    parts = (numbers[(last != 5) & (last != 0)], numbers[last == 5], numbers[last == 0])
    return [part - 1 for part in parts]


def _load_snippets(flags: FlagValues) -> Dataset:
    texts, positive = _snippets(flags.data_dir)
    examples = Examples(words=encode(texts, words(flags), flags.length), positive=positive)
    return Dataset(flags.dataset, *(examples.part(part) for part in split(len(texts))))


def _snippets(data_dir: str) -> tuple[list[str], np.ndarray]:
    """Returns the texts and whether they are positive: float32 [texts]."""
    content = sources.load_file("movie_reviews", SNIPPETS, data_dir)
    rows = [line.split("\t") for line in content.decode("utf-8").split("\n") if line]
    return [text for _, _, text in rows], np.float32([float(rating) > 0 for _, rating, _ in rows])


def _load_imdb(flags: FlagValues) -> Dataset:
    arrays = _imdb(flags.data_dir)

    def examples(part):
        starts = np.cumsum(arrays[part + "_lengths"])[:-1]
        # Keras numbers the words from 1, by frequency.
        numbers = arrays[part + "_words"] + (len(SPECIAL) - 1)
        numbers = np.where(numbers < flags.vocabulary, numbers, UNKNOWN)
        rows = pad(np.split(numbers, starts), flags.length)
        return Examples(words=rows, positive=arrays[part + "_labels"].astype(np.float32))

    train, test = examples("train"), examples("test")
    held_out = np.arange(1, len(train) + 1) % 10 == 0
    order = np.random.RandomState(0).permutation(np.flatnonzero(~held_out))
    return Dataset("imdb", train.part(order), train.part(held_out), test)


def _imdb(data_dir: str) -> dict[str, np.ndarray]:
    """Returns the reviews of imdb as plain arrays.

    imdb.npz holds pickled lists. They are read once, and only if the file is the right one. The
    cache keeps their contents as plain arrays.

    Returns
    -------
    dict of int32 arrays: train_words, the numbers of the words of all reviews in a row;
    train_lengths, the number of words of each review; train_labels; and the same for test.
    """
    content = sources.load_file("imdb", IMDB, data_dir, instead="movie_reviews")
    path = os.path.join(sources.cache_dir("imdb"), "imdb_arrays.npz")
    with contextlib.suppress(OSError, ValueError):  # not there yet, or damaged
        arrays = npz.load(path)
        if {*arrays} == {*_IMDB_ARRAYS}:
            return arrays
    arrays = _unpickle(content)
    with contextlib.suppress(OSError):  # a read-only or full cache: the next run converts again
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with files.replacing(path) as file:
            np.savez(file, **arrays)
    return arrays


def _unpickle(content: bytes) -> dict[str, np.ndarray]:
    arrays = []
    with np.load(io.BytesIO(content), allow_pickle=True) as file:  # verified by `load_file`
        for part in ("train", "test"):
            rows = file["x_" + part]
            arrays.append(np.concatenate([np.int32(row) for row in rows]))
            arrays.append(np.int32([len(row) for row in rows]))
            arrays.append(np.int32(file["y_" + part]))
    return dict(zip(_IMDB_ARRAYS, arrays))


def _words_of_imdb(data_dir: str) -> list[str]:
    content = sources.load_file("imdb", IMDB_WORDS, data_dir, instead="movie_reviews")
    numbers = json.loads(content.decode("utf-8"))
    return SPECIAL + sorted(numbers, key=numbers.get)
