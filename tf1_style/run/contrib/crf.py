"""Stands for `tf.contrib.crf`: linear-chain conditional random fields (Lafferty et al., 2001).

Potentials are (batch, time, tags), tag indices (batch, time), transitions (tags, tags).
"""

import numpy as np
import tensorflow.compat.v1 as tf


def _mask(inputs, sequence_lengths):
    return tf.sequence_mask(sequence_lengths, tf.shape(inputs)[1], tf.float32)


def crf_unary_score(tag_indices, sequence_lengths, inputs):
    """Returns the (batch,) sums of the potentials of the given tags."""
    chosen = tf.batch_gather(inputs, tag_indices[:, :, None])[:, :, 0]
    return tf.reduce_sum(chosen * _mask(tag_indices, sequence_lengths), 1)


def crf_binary_score(tag_indices, sequence_lengths, transition_params):
    """Returns the (batch,) sums of the transitions between the given tags."""
    pairs = tf.stack([tag_indices[:, :-1], tag_indices[:, 1:]], 2)
    mask = _mask(tag_indices, sequence_lengths)[:, 1:]
    return tf.reduce_sum(tf.gather_nd(transition_params, pairs) * mask, 1)


def crf_sequence_score(inputs, tag_indices, sequence_lengths, transition_params):
    """Returns the (batch,) unnormalized scores of tag sequences."""
    unary = crf_unary_score(tag_indices, sequence_lengths, inputs)
    return unary + crf_binary_score(tag_indices, sequence_lengths, transition_params)


def crf_multitag_sequence_score(inputs, tag_bitmap, sequence_lengths, transition_params):
    """Returns the (batch,) scores of all tag sequences that a (batch, time, tags) bitmap allows."""
    inputs = tf.where(tag_bitmap, inputs, tf.fill(tf.shape(inputs), float("-inf")))
    return crf_log_norm(inputs, sequence_lengths, transition_params)


def _forward(inputs, sequence_lengths, step):
    """Returns the (time, ...) states of a recursion that stops at each sequence's end."""
    inputs = tf.transpose(inputs, [1, 0, 2])
    times = tf.range(1, tf.shape(inputs)[0])
    lengths = tf.cast(sequence_lengths, tf.int32)

    def advance(state, item):
        time, potentials = item
        return tf.where(time < lengths, potentials + step(state), state)

    rest = tf.scan(advance, (times, inputs[1:]), inputs[0])
    return tf.concat([inputs[:1], rest], 0)


def crf_log_norm(inputs, sequence_lengths, transition_params):
    """Returns the (batch,) log-sums over all tag sequences, by the forward algorithm."""

    def step(alphas):
        return tf.reduce_logsumexp(alphas[:, :, None] + transition_params[None], 1)

    norm = tf.reduce_logsumexp(_forward(inputs, sequence_lengths, step)[-1], 1)
    return tf.where(tf.less_equal(sequence_lengths, 0), tf.zeros_like(norm), norm)


def crf_log_likelihood(inputs, tag_indices, sequence_lengths, transition_params=None):
    """Returns (batch,) log-likelihoods and the transitions, a new variable unless given."""
    if transition_params is None:
        tags = inputs.shape[2].value
        transition_params = tf.get_variable("transitions", [tags, tags])
    score = crf_sequence_score(inputs, tag_indices, sequence_lengths, transition_params)
    return score - crf_log_norm(inputs, sequence_lengths, transition_params), transition_params


def viterbi_decode(score, transition_params):
    """Returns the best tags of one (time, tags) NumPy array, and their score."""
    best, steps = score[0], []
    for potentials in score[1:]:
        candidates = best[:, None] + transition_params
        steps.append(np.argmax(candidates, 0))
        best = potentials + np.max(candidates, 0)
    tags = [np.argmax(best)]
    for step in reversed(steps):
        tags.append(step[tags[-1]])
    return tags[::-1], np.max(best)


def crf_decode(potentials, transition_params, sequence_length):
    """Returns (batch, time) best tags, 0 after a sequence's end, and their (batch,) scores."""

    def step(scores):
        return tf.reduce_max(scores[:, :, None] + transition_params[None], 1)

    scores = _forward(potentials, sequence_length, step)
    lengths = tf.maximum(tf.cast(sequence_length, tf.int32), 1)
    time = tf.shape(scores)[0]
    last = tf.argmax(scores[-1], 1, output_type=tf.int32)

    def back(tag, item):
        now, before = item
        to_tag = tf.gather(transition_params, tag, axis=1)
        previous = tf.argmax(before + tf.transpose(to_tag), 1, output_type=tf.int32)
        return tf.where(now < lengths, previous, tag)

    times = tf.range(1, time)
    earlier = tf.scan(back, (times, scores[:-1]), last, reverse=True)
    tags = tf.transpose(tf.concat([earlier, last[None]], 0))
    return tags * tf.sequence_mask(lengths, time, tf.int32), tf.reduce_max(scores[-1], 1)
