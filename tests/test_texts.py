"""Texts as numbers; stories, posts and random numbers made from a seed; the flags of the three."""

import itertools
import subprocess
import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import flags
from shared.console import UserError
from shared.datasets import posts, stories, text

WORDS = st.lists(st.sampled_from(["a", "b", "cd", "it's", "x1", "é"]), max_size=12).map(" ".join)


@given(st.text())
def test_tokens_of_any_text(some):
    tokens = text.tokenize(some)
    assert text.tokenize(" ".join(tokens)) == tokens
    assert all(token.strip("'") == token and token.split() == [token] for token in tokens)
    assert not {*tokens} & {*text.SPECIAL}


def test_tokens():
    assert text.tokenize("It's 10 o'clock -- 'Wasabi' isn\u2019t_bad?") == [
        *("it's", "10", "o'clock", "wasabi", "isn't", "bad")
    ]


@given(st.lists(WORDS, max_size=8), st.integers(2, 9))
def test_vocabulary_is_by_frequency(texts, size):
    words = text.vocabulary(texts, size)
    tokens = [token for one in texts for token in text.tokenize(one)]
    assert words[: len(text.SPECIAL)] == text.SPECIAL
    assert len(words) == min(size, len(text.SPECIAL) + len({*tokens}))
    keys = [(-tokens.count(word), word) for word in words[2:]]
    assert keys == sorted(keys)
    left_out = [(-tokens.count(word), word) for word in {*tokens} - {*words}]
    assert not left_out or not keys or max(keys) < min(left_out)


@given(st.lists(WORDS, max_size=8), st.lists(WORDS, max_size=8), st.integers(2, 9), st.data())
def test_encode_pads_and_cuts_in_front(known, texts, size, data):
    words = text.vocabulary(known, size)
    length = data.draw(st.integers(1, 15))
    rows = text.encode(texts, words, length)
    assert rows.shape == (len(texts), length) and rows.dtype == np.int32
    for one, row in zip(texts, rows.tolist()):
        tokens = [token if token in words else text.SPECIAL[1] for token in text.tokenize(one)]
        assert [words[number] for number in row] == ([""] * length + tokens)[-length:]


@pytest.mark.proof
def test_rows_are_those_of_keras():
    """`pad_sequences` with its defaults."""
    from keras.utils import pad_sequences

    rows = [[1, 2, 3], [], [4, 5, 6, 7, 8, 9]]
    assert np.array_equal(text.pad(rows, 4), pad_sequences(rows, 4))


def answer(question, sentences):
    """Answers a question from sentences alone; None if they do not say it."""
    places, with_object, carried = {}, {}, {}
    for sentence in sentences:
        person, verb, what = sentence.rstrip(".").split()
        if verb in ("reached", "visited"):
            places[person] = what
            for thing, carrier in carried.items():
                if carrier == person:
                    with_object.setdefault(thing, []).append(what)
        elif verb in ("took", "got"):
            carried[what] = person
            with_object[what] = [places[person]] if person in places else []
        elif carried.pop(what, None) is None:  # dropped, and nobody said that it was taken
            with_object[what] = [places[person]] if person in places else []
    words = question.rstrip("?").split()
    if "before" in words:
        visits = with_object.get(words[3], [])
        return visits[-2] if len(visits) > 1 else None
    if words[2] == "the":
        return (with_object.get(words[3]) or [None])[-1]
    return places.get(words[2])


@pytest.mark.parametrize("facts", [1, 2, 3])
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_answer_needs_the_facts_and_no_more(facts, seed):
    for story in itertools.islice(stories.make(facts, seed), 10):
        assert answer(story.question, story.sentences) == story.answer
        assert len({*story.facts}) == facts
        needed = [story.sentences[number] for number in sorted(story.facts)]
        assert answer(story.question, needed) == story.answer
        for number in range(facts):
            assert answer(story.question, needed[:number] + needed[number + 1 :]) != story.answer


def load_stories(facts=1, dataset="stories", vocabulary=10000):
    return stories.load(types.SimpleNamespace(facts=facts, dataset=dataset, vocabulary=vocabulary))


# It prints the first digits of a hash of all arrays of a dataset.
DIGESTS = """
import hashlib, types
import numpy as np
from shared.datasets import posts, stories

def show(data):
    sha256 = hashlib.sha256()
    for part in data[1:]:
        for name, array in part.arrays.items():
            sha256.update(f"{name} {array.dtype.str} {array.shape}".encode())
            sha256.update(np.ascontiguousarray(array))
    print(sha256.hexdigest()[:16])

flags = types.SimpleNamespace(dataset="stories", vocabulary=10000)
for flags.facts in (1, 2, 3):
    show(stories.load(flags))
show(stories.random_numbers(10000))
show(posts.load(flags))
"""


@pytest.mark.parametrize("python", ["now", pytest.param("1.15.5", marks=pytest.mark.legacy)])
def test_the_same_bytes_everywhere(python, request, environment):
    """A change of the data makes the figures in docs/ wrong: measure them again."""
    python = sys.executable if python == "now" else request.getfixturevalue("tf115_python")
    process = subprocess.run(
        [python, "-c", DIGESTS], env=environment, capture_output=True, text=True, check=True
    )
    assert process.stdout.split() == [
        "8b079b8bfbcb96d6",
        "b9d201e6b8218b73",
        "5b417a0baced26bc",
        "a5367f48fdc490bf",
        "009b1fa7f3d8a6a9",
    ]


@pytest.mark.parametrize("facts", [1, 2, 3])
def test_no_story_is_in_two_sets(facts):
    data = load_stories(facts)
    assert [len(part) for part in data[1:]] == [8000, 1000, 1000]
    rows = [row.tobytes() for part in data[1:] for row in part.arrays["story"]]
    assert len(set(rows)) == 10000
    for part in data[1:]:
        story, question, answers = part.arrays.values()
        assert story.min() == 0 and question.min() >= 0 and text.UNKNOWN not in story
        assert 0 <= answers.min() and answers.max() < len(stories.answers()) <= 500
        # No answer is so frequent that a constant would do.
        assert np.bincount(answers).max() < 0.2 * len(answers)


def test_random_numbers_are_those_of_the_notes():
    data = load_stories(dataset="random", vocabulary=10000)
    assert data.name == "random" and [len(part) for part in data[1:]] == [1000, 100, 100]
    story, question, answers = data.train.arrays.values()
    assert story.shape == question.shape == (1000, 100)
    for array, least, most in ((story, 1, 9999), (question, 1, 9999), (answers, 0, 499)):
        assert array.dtype == np.int32 and least <= array.min() and array.max() <= most
    assert story.max() > 9990 and len({*answers.tolist()}) > 400


@given(st.integers(100, 5000), st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_posts_are_within_the_vocabulary(vocabulary, seed):
    words, age, income, gender = posts.make(7, vocabulary, seed).arrays.values()
    assert words.shape == (7, 300) and words.dtype == np.int32 and income.dtype == np.int32
    assert words.min() >= 2 and words.max() < vocabulary
    assert age.dtype == gender.dtype == np.float32
    assert age.min() >= 18 and age.max() <= 80 and {*gender.tolist()} <= {0, 1}
    assert {*income.tolist()} <= {*range(10)}


def test_posts_tell_their_authors():
    """A table of words, counted on half of the posts, finds the other half's three."""
    words, age, income, gender = posts.make(2000, 200).arrays.values()
    counts = np.stack([np.bincount(row, minlength=200) for row in words]).astype(float)
    known, new = slice(1000), slice(1000, None)

    def classify(labels):
        table = np.stack([counts[known][labels[known] == k].sum(0) + 1 for k in np.unique(labels)])
        scores = counts[new] @ np.log(table / table.sum(1, keepdims=True)).T
        return np.mean(np.argmax(scores, 1) == labels[new])

    assert classify(income) > 0.95 and classify(gender.astype(int)) > 0.95
    fitted = np.linalg.lstsq(counts[known], age[known], rcond=1e-3)[0]
    assert np.mean((counts[new] @ fitted - age[new]) ** 2) < 0.5 * age.var()


def parse(*argv):
    defaults = {"max_steps": 1, "batch_size": 1, "optimizer": "sgd", "learning_rate": 0.1}
    defaults.update(dataset=("stories", "random"), vocabulary=2000, length=None, facts=1)
    return flags.parse(["program", *argv], "A program.", **defaults)


def test_flags_of_texts():
    parsed = parse("--facts=2", "--length=50")
    assert (parsed.facts, parsed.length, parsed.vocabulary) == (2, 50, 2000)
    for flag in ("--facts=7", "--facts=0", "--vocabulary=3", "--length=0", "--facts=one"):
        with pytest.raises(UserError, match=flag.split("=")[0]) as error:
            parse(flag)
        assert "\n" not in str(error.value), str(error.value)
    with pytest.raises(UserError, match="unknown|Unknown"):
        flags.parse(
            ["program", "--facts=2"],
            "",
            max_steps=1,
            batch_size=1,
            optimizer="sgd",
            learning_rate=0.1,
        )
