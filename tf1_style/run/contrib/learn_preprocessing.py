"""Stands for `tf.contrib.learn.preprocessing`: texts as numbers of words."""

import collections
import pickle
import re

import numpy as np

TOKENIZER_RE = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z][a-z]+(?=[A-Z])|['\w\-]+", re.UNICODE)


def tokenizer(iterator):
    for text in iterator:
        yield TOKENIZER_RE.findall(text)


class CategoricalVocabulary:
    """Numbers categories as they come; 0 is the unknown one."""

    def __init__(self, unknown_token="<UNK>", support_reverse=True):
        self._unknown_token = unknown_token
        self._freq = collections.Counter()
        self._freeze = False
        self._number([])

    def _number(self, categories):
        self._reverse_mapping = [self._unknown_token, *categories]
        self._mapping = {word: number for number, word in enumerate(self._reverse_mapping)}

    def __len__(self):
        return len(self._mapping)

    def freeze(self, freeze=True):
        self._freeze = freeze

    def get(self, category):
        if category not in self._mapping:
            if self._freeze:
                return 0
            self._mapping[category] = len(self._mapping)
            self._reverse_mapping.append(category)
        return self._mapping[category]

    def add(self, category, count=1):
        if self.get(category) > 0:
            self._freq[category] += count

    def trim(self, min_frequency, max_frequency=-1):
        """Keeps what came more often than `min_frequency`, and numbers it by falling frequency."""
        by_name = sorted(self._freq.items(), key=lambda item: (isinstance(item[0], str), item[0]))
        kept = [
            (category, count)
            for category, count in sorted(by_name, key=lambda item: item[1], reverse=True)
            if count > min_frequency and not 0 < max_frequency <= count
        ]
        self._freq = collections.Counter(dict(kept))
        self._number([category for category, _ in kept])

    def reverse(self, class_id):
        return self._reverse_mapping[class_id]


class VocabularyProcessor:
    """Turns texts into rows of `max_document_length` numbers of words, 0 after the text's end."""

    def __init__(self, max_document_length, min_frequency=0, vocabulary=None, tokenizer_fn=None):
        self.max_document_length = max_document_length
        self.min_frequency = min_frequency
        self.vocabulary_ = vocabulary or CategoricalVocabulary()
        self._tokenizer = tokenizer_fn or tokenizer

    def fit(self, raw_documents, unused_y=None):
        for tokens in self._tokenizer(raw_documents):
            for token in tokens:
                self.vocabulary_.add(token)
        if self.min_frequency > 0:
            self.vocabulary_.trim(self.min_frequency)
        self.vocabulary_.freeze()
        return self

    def fit_transform(self, raw_documents, unused_y=None):
        self.fit(raw_documents)
        return self.transform(raw_documents)

    def transform(self, raw_documents):
        for tokens in self._tokenizer(raw_documents):
            numbers = np.zeros(self.max_document_length, np.int64)
            for place, token in enumerate(tokens[: self.max_document_length]):
                numbers[place] = self.vocabulary_.get(token)
            yield numbers

    def reverse(self, documents):
        for numbers in documents:
            yield " ".join(self.vocabulary_.reverse(number) for number in numbers)

    def save(self, filename):
        with open(filename, "wb") as file:
            pickle.dump(self, file)

    @classmethod
    def restore(cls, filename):
        with open(filename, "rb") as file:
            return pickle.load(file)


class ByteProcessor:
    """Turns texts into rows of bytes, 0 after the text's end."""

    def __init__(self, max_document_length):
        self.max_document_length = max_document_length

    def fit(self, x):
        return self.transform(x)

    fit_transform = fit

    def transform(self, x):
        for text in x:
            text = text.encode("utf-8") if isinstance(text, str) else text
            row = np.zeros(self.max_document_length, np.uint8)
            part = np.frombuffer(text[: self.max_document_length], np.uint8)
            row[: len(part)] = part
            yield row

    def reverse(self, x):
        for row in x:
            yield bytes(np.trim_zeros(row.astype(np.uint8), "b")).decode("utf-8", "replace")
