"""Answers questions about short stories (TensorFlow 2 style).

    python tf2_style/stories_qa.py
    python tf2_style/stories_qa.py --dataset=random
    python tf2_style/stories_qa.py --run_dir=FOLDER --predict_text="STORY. QUESTION?"

Two inputs: an LSTM reads the story, another one reads the question, and a softmax over 500 answers
follows. The model comes from F. Chollet's "Deep Learning with Python", chapter 7. Its twin is
tf1_style/stories_qa.py.
"""

import sys
from pathlib import Path
from typing import ClassVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shared import answering
from shared.console import quiet_import
from shared.datasets import stories

with quiet_import():
    import tensorflow as tf

from tf2_style.training import main
from tf2_style.training.layers import bias_variable, weight_variable
from tf2_style.training.sequences import LSTM, Embedding

ANSWERS = 500


class StoriesQA(tf.Module):
    """Maps word numbers of a story and of a question to the logits of 500 answers.

    Stories may have any length, and so may questions; those of one batch have the same.
    """

    inputs: ClassVar = {"story": ([None, None], "int32"), "question": ([None, None], "int32")}
    targets: ClassVar = {"answer": ([None], "int32")}
    metrics = ("accuracy",)

    def __init__(self, flags):
        super().__init__()
        with tf.name_scope("story"):
            self.embed_story = Embedding(flags.vocabulary, 64, [flags.seed, 0])
            self.read_story = LSTM(64, 32, [flags.seed, 1])

        with tf.name_scope("question"):
            self.embed_question = Embedding(flags.vocabulary, 32, [flags.seed, 2])
            self.read_question = LSTM(32, 16, [flags.seed, 3])

        with tf.name_scope("answer"):
            self.W = weight_variable([48, ANSWERS], [flags.seed, 4], "W", "glorot_uniform")
            self.b = bias_variable([ANSWERS], "b", value=0.0)

    def __call__(self, story, question, keep_prob, step, training):
        with tf.name_scope("story/"):  # the slash reopens the variables' scope
            h_story = self.read_story(self.embed_story(story))  # [n, words] to [n, 32]

        with tf.name_scope("question/"):
            h_question = self.read_question(self.embed_question(question))  # [n, 16]

        with tf.name_scope("answer/"):
            h = tf.concat([h_story, h_question], 1)  # [n, 48]
            y = tf.matmul(h, self.W) + self.b  # [n, 500]
        layers = {"story": h_story, "question": h_question, "answer": y}
        return {"logits": y}, layers

    def loss(self, outputs, targets):
        """Returns the mean cross-entropy of a batch, a scalar."""
        errors = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=targets["answer"], logits=outputs["logits"]
        )
        return tf.reduce_mean(errors)

    def accuracy(self, outputs, targets):
        """Returns the fraction of a batch that is answered correctly, a scalar."""
        answers = tf.argmax(outputs["logits"], 1, output_type=tf.int32)
        correct = tf.equal(answers, targets["answer"])
        return tf.reduce_mean(tf.cast(correct, tf.float32))

    def predictions(self, outputs):
        """Returns the outputs of an exported model: scores [n, 500], answers [n]."""
        logits = outputs["logits"]
        return {"scores": tf.nn.softmax(logits), "answers": tf.argmax(logits, 1)}

    def decode(self, examples):
        """Returns the batch: the arrays that the dataset stores."""
        return examples


if __name__ == "__main__":
    main(
        StoriesQA,
        __doc__,
        load=stories.load,
        answer=answering.story,
        dataset=("stories", "random"),
        epochs=20,
        batch_size=128,
        last_batch="short",
        optimizer="rmsprop_keras2",
        learning_rate=0.001,
        vocabulary=10000,
        facts=1,
        csv_log=True,
    )
