"""Answers the text of --predict_text, for the programs that read texts.

Each function takes the text, the flags, and a function that maps inputs by name to the activations
of a trained model's last layer. It returns the answer as one line.
"""

from __future__ import annotations

import re
from typing import Callable

import numpy as np
from absl.flags import FlagValues

from shared.console import UserError
from shared.datasets import reviews, stories
from shared.datasets.text import encode, tokenize
from shared.evaluation import probabilities


def review(text: str, flags: FlagValues, last_layer: Callable[[dict], np.ndarray]) -> str:
    """Says whether a review is positive or negative, and how probable that is."""
    _check_words(text)
    length = flags.length or reviews.LENGTHS[flags.dataset]
    words = encode([text], reviews.words(flags), length)
    score = last_layer({"words": words}).item()
    probability = probabilities(np.array([[-score / 2, score / 2]]))[0]  # the sigmoid
    name = ("negative", "positive")[probability.argmax()]
    return f"{name} ({100 * probability.max():.1f} %)"


def story(text: str, flags: FlagValues, last_layer: Callable[[dict], np.ndarray]) -> str:
    """Answers a question about a story. The question is the last sentence of the text."""
    _check_words(text)
    if flags.dataset != "stories":
        raise UserError(
            f"--predict_text: the run was trained on --dataset={flags.dataset}, which has no "
            "words; train one on stories"
        )
    sentences = [part for part in re.split(r"[.?!]", text) if tokenize(part)]
    if len(sentences) < 2:
        raise UserError(
            f"--predict_text={text}: expected a story and a question, such as "
            '"Mary visited Paris. Where is Mary?"'
        )
    parts = {"story": " ".join(sentences[:-1]), "question": sentences[-1]}
    known, examples = stories.words(flags), stories.load(flags).train.arrays
    inputs = {name: encode([parts[name]], known, examples[name].shape[1]) for name in parts}
    (row,) = probabilities(last_layer(inputs))
    row = row[: len(stories.answers())]
    return f"{stories.answers()[row.argmax()]} ({100 * row.max():.1f} %)"


def _check_words(text: str) -> None:
    if not tokenize(text):
        raise UserError(f"--predict_text={text}: expected a text with at least one word")
