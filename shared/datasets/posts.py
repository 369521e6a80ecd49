"""Posts made from a seed; their words depend on the age, the income and the gender of the author.

No words are spelled: a post is a row of indices, as `text.encode` would return it.
"""

from __future__ import annotations

import numpy as np
from absl.flags import FlagValues

from shared.datasets import Dataset, Examples
from shared.datasets.text import SPECIAL

LENGTH = 300  # words in a post
INCOMES = 10  # classes
YOUNGEST, OLDEST = 20, 40  # years
TRAIN, VALIDATION, TEST = 4000, 500, 500

NEAR = 12  # an author uses the words of ages up to so many years away


def load(flags: FlagValues) -> Dataset:
    """Returns the posts for a vocabulary of `flags.vocabulary` words; see `make`."""
    posts = make(TRAIN + VALIDATION + TEST, flags.vocabulary)
    end = TRAIN + VALIDATION
    parts = (slice(TRAIN), slice(TRAIN, end), slice(end, None))
    return Dataset("posts", *(posts.part(part) for part in parts))


def make(count: int, vocabulary: int, seed: int = 0) -> Examples:
    """Returns posts and their authors.

    The vocabulary has four parts of equal size: common words, words of an age, words of an income
    class, words of a gender. Seven of ten words of a post are common words. One of ten is a word of
    an age near the author's, one of the author's income class, one of the author's gender.

    Parameters
    ----------
    count : number of posts.
    vocabulary : indices of words are below this number.
    seed : int in [0, 2**32).

    Returns
    -------
    Examples of `words` int32 [count, 300], `age` float32 [count] in years, `income` int32 [count]
    in [0, 10), `gender` float32 [count], 0 or 1.
    """
    # RandomState, and only its uniform numbers: they are the same in every version of NumPy.
    random = np.random.RandomState(seed)

    def below(limit, *shape):
        return (random.random_sample(shape) * limit).astype(np.int32)

    age = YOUNGEST + below(OLDEST - YOUNGEST + 1, count)
    income, gender = below(INCOMES, count), below(2, count)
    shape = (count, LENGTH)
    part = np.maximum(below(10, *shape) - 6, 0)  # 1, 2 and 3 are a tenth of the words each
    # The first words of a list are the most frequent: the square makes small numbers likely.
    rank = random.random_sample(shape) ** 2
    away = NEAR * rank * np.where(below(2, *shape), 1, -1)  # in years
    position = np.choose(  # in the part, from 0 to 1
        part,
        [
            rank,
            np.clip((age[:, None] - YOUNGEST + away) / (OLDEST - YOUNGEST), 0, 1),
            (income[:, None] + rank) / INCOMES,
            (gender[:, None] + rank) / 2,
        ],
    )
    size = (vocabulary - len(SPECIAL)) // 4  # words of a part
    offset = np.minimum((position * size).astype(np.int32), size - 1)
    return Examples(
        words=(len(SPECIAL) + part * size + offset).astype(np.int32),
        age=age.astype(np.float32),
        income=income,
        gender=gender.astype(np.float32),
    )
