"""Short stories made from a seed, each with a question and an answer of one word.

They follow the first three tasks of bAbI (J. Weston et al., "Towards AI-Complete Question
Answering", 2015): people go from place to place, and take and drop objects.

One thing differs: each person has an object and places that nobody else has. The softmax of
`stories_qa` adds a score of the story to a score of the question. Such a sum cannot tell "Mary is
in Paris, John in London" from the opposite.
"""

from __future__ import annotations

import functools
import itertools
from typing import Iterator, NamedTuple

import numpy as np
from absl.flags import FlagValues

from shared.datasets import Dataset, Examples
from shared.datasets.text import encode, tokenize, vocabulary

PLACES = {
    "mary": ("paris", "lyon", "nice"),
    "john": ("london", "leeds", "york"),
    "sandra": ("rome", "milan", "turin"),
}
OBJECTS = {"mary": "apples", "john": "letters", "sandra": "flowers"}
PEOPLE = tuple(PLACES)
TRAIN, VALIDATION, TEST = 8000, 1000, 1000
SENTENCES = {1: (2, 5), 2: (3, 6), 3: (4, 6)}  # the fewest and the most, by supporting facts

RANDOM, RANDOM_LENGTH, ANSWERS = 1000, 100, 500  # the random numbers of --dataset=random


class Story(NamedTuple):
    """A story, its question and its answer; `facts` are the sentences that the answer needs."""

    sentences: tuple[str, ...]
    question: str
    answer: str
    facts: tuple[int, ...]


def load(flags: FlagValues) -> Dataset:
    """Returns the stories with `flags.facts` supporting facts, or random numbers.

    Returns
    -------
    Dataset of Examples: `story` int32 [n, story length], `question` int32 [n, question length],
    `answer` int32 [n], an index into `answers()`, or below 500 for random numbers.
    """
    if flags.dataset == "random":
        return random_numbers(flags.vocabulary)
    stories = _stories(flags.facts)
    texts = [" ".join(story.sentences) for story in stories]
    questions = [story.question for story in stories]
    known = words(flags)
    index = {answer: number for number, answer in enumerate(answers())}
    examples = Examples(
        story=encode(texts, known, max(len(tokenize(text)) for text in texts)),
        question=encode(questions, known, max(len(tokenize(text)) for text in questions)),
        answer=np.array([index[story.answer] for story in stories], np.int32),
    )
    end = TRAIN + VALIDATION
    parts = (slice(TRAIN), slice(TRAIN, end), slice(end, None))
    return Dataset("stories", *(examples.part(part) for part in parts))


def words(flags: FlagValues) -> list[str]:
    """Returns the words of the stories by index, at most `flags.vocabulary` of them."""
    stories = _stories(flags.facts)[:TRAIN]
    texts = (text for story in stories for text in (*story.sentences, story.question))
    return vocabulary(texts, flags.vocabulary)


def answers() -> list[str]:
    """Returns the answers by index, all places."""
    return sorted(itertools.chain(*PLACES.values()))


@functools.lru_cache(maxsize=3)
def _stories(facts):
    return list(itertools.islice(make(facts), TRAIN + VALIDATION + TEST))


def make(facts: int, seed: int = 0) -> Iterator[Story]:
    """Yields stories without end, no two of them the same.

    Parameters
    ----------
    facts : the number of sentences that the answer needs, 1, 2 or 3.
    seed : int in [0, 2**32).
    """
    # RandomState, and only its uniform numbers: they are the same in every version of NumPy.
    random = np.random.RandomState([seed, facts])
    seen = set()
    while True:
        story = _Teller(random.random_sample(64)).tell(facts)
        if story and story.sentences not in seen:
            seen.add(story.sentences)
            yield story


class _Teller:
    """Tells one story; `numbers` are uniform random numbers in [0, 1), used one by one.

    It keeps the number of the sentence with each event, for `Story.facts`.
    """

    def __init__(self, numbers: np.ndarray):
        self.numbers = iter(numbers.tolist())
        self.sentences = []
        self.visits = {person: [] for person in PEOPLE}  # of (number, place)
        self.taken = {}  # person: number
        self.dropped = {}

    def tell(self, facts: int) -> Story | None:
        """Returns a story, or None if it has no question with that number of facts."""
        fewest, most = SENTENCES[facts]
        cast = PEOPLE
        if facts > 1:  # two of the three people
            absent = self.choose(PEOPLE)
            cast = [person for person in PEOPLE if person != absent]
        for _ in range(fewest + int(next(self.numbers) * (most - fewest + 1))):
            person = self.choose(cast)
            if facts == 1 or not self.visits[person] or next(self.numbers) < 0.5:
                self.go(person)
            elif person in self.taken and person not in self.dropped:
                self.drop(person)
            elif person not in self.taken:
                self.take(person)
            else:
                self.go(person)
        questions = list((self.ask_person, self.ask_object, self.ask_before)[facts - 1]())
        return Story(tuple(self.sentences), *self.choose(questions)) if questions else None

    def choose(self, items):
        return items[int(next(self.numbers) * len(items))]

    def go(self, person: str) -> None:
        here = [place for _, place in self.visits[person][-1:]]
        place = self.choose([place for place in PLACES[person] if place not in here])
        self.visits[person].append((len(self.sentences), place))
        self.sentences.append(f"{person} {self.choose(('reached', 'visited'))} {place}.")

    def take(self, person: str) -> None:
        self.taken[person] = len(self.sentences)
        self.sentences.append(f"{person} {self.choose(('took', 'got'))} {OBJECTS[person]}.")

    def drop(self, person: str) -> None:
        self.dropped[person] = len(self.sentences)
        self.sentences.append(f"{person} {self.choose(('dropped', 'left'))} {OBJECTS[person]}.")

    def ask_person(self):
        for person in PEOPLE:
            for number, place in self.visits[person][-1:]:
                yield f"where is {person}?", place, (number,)

    def ask_object(self):
        """Asks for an object that its owner still has, or has dropped."""
        for person in self.taken:
            until = self.dropped.get(person, len(self.sentences))
            number, place = [visit for visit in self.visits[person] if visit[0] < until][-1]
            fact = self.dropped.get(person, self.taken[person])
            yield f"where are the {OBJECTS[person]}?", place, (fact, number)

    def ask_before(self):
        """Asks where an object was before its last place."""
        for person, taken in self.taken.items():
            until = self.dropped.get(person, len(self.sentences))
            visits = [visit for visit in self.visits[person] if visit[0] < until]
            if visits[-1][0] > taken:
                (before, place), (number, _) = visits[-2:]
                question = f"where were the {OBJECTS[person]} before?"
                yield question, place, (taken, before, number)


def random_numbers(vocabulary: int, seed: int = 0) -> Dataset:
    """Returns random numbers in the place of stories; nothing can be learned from them.

    Returns
    -------
    Dataset of Examples with 1,000 samples to train on and 100 each for validation and test: `story`
    and `question` int32 [n, 100] in [1, vocabulary), `answer` int32 [n] in [0, 500).
    """
    random = np.random.RandomState(seed)

    def part(count):
        texts = 1 + random.random_sample((2, count, RANDOM_LENGTH)) * (vocabulary - 1)
        story, question = texts.astype(np.int32)
        answer = (random.random_sample(count) * ANSWERS).astype(np.int32)
        return Examples(story=story, question=question, answer=answer)

    return Dataset("random", part(RANDOM), part(100), part(100))
