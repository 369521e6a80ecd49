"""Attention of `tf.contrib.seq2seq` that never looks back (Raffel et al., arXiv:1704.00784)."""

import numpy as np
import tensorflow.compat.v1 as tf

from tf1_style.run.contrib import seq2seq


def safe_cumprod(x, *arguments, **keywords):
    """Returns exp(cumsum(log(x))), a cumulative product whose gradient stays finite."""
    with tf.name_scope(None, "SafeCumprod", [x]):
        x = tf.convert_to_tensor(x)
        least = np.finfo(x.dtype.as_numpy_dtype).tiny
        return tf.exp(tf.cumsum(tf.log(tf.clip_by_value(x, least, 1)), *arguments, **keywords))


def monotonic_attention(p_choose_i, previous_attention, mode):
    """Returns the (batch, time) attention of this step, from that of the step before."""
    p, previous = tf.convert_to_tensor(p_choose_i), tf.convert_to_tensor(previous_attention)
    if mode == "recursive":
        batch = tf.shape(p)[0]
        passed = tf.concat([tf.ones([batch, 1]), 1 - p[:, :-1]], 1)
        steps = [tf.transpose(passed), tf.transpose(previous)]
        q = tf.scan(lambda q, step: step[0] * q + step[1], steps, tf.zeros_like(p[:, 0]))
        return p * tf.transpose(q)
    if mode == "parallel":
        passed = safe_cumprod(1 - p, axis=1, exclusive=True)
        return p * passed * tf.cumsum(previous / tf.clip_by_value(passed, 1e-10, 1.0), axis=1)
    if mode == "hard":
        p *= tf.cumsum(previous, axis=1)
        return p * tf.cumprod(1 - p, axis=1, exclusive=True)
    raise ValueError("mode must be 'recursive', 'parallel', or 'hard'.")


class _Monotonic:
    """What differs from the attention that looks everywhere."""

    def __init__(self, arguments, noise, seed, bias, mode):
        super().__init__(**arguments)
        self._noise = (noise, seed)
        self._bias = bias
        self._mode = mode
        self._probability = self._monotonic

    def initial_alignments(self, batch_size, dtype):
        """All of it is on the first step."""
        return tf.one_hot(tf.zeros([batch_size], tf.int32), self.alignments_size, dtype=dtype)

    def _align(self, score, state):
        bias = float(self._bias)
        score += tf.get_variable("attention_score_bias", dtype=score.dtype, initializer=bias)
        return super()._align(score, state)

    def _monotonic(self, score, previous):
        strength, seed = self._noise
        if strength > 0:
            score += strength * tf.random_normal(tf.shape(score), dtype=score.dtype, seed=seed)
        hard = self._mode == "hard"
        p = tf.cast(score > 0, score.dtype) if hard else tf.sigmoid(score)
        return monotonic_attention(p, previous, self._mode)


class BahdanauMonotonicAttention(_Monotonic, seq2seq.BahdanauAttention):
    def __init__(
        self,
        num_units,
        memory,
        memory_sequence_length=None,
        normalize=False,
        score_mask_value=None,
        sigmoid_noise=0.0,
        sigmoid_noise_seed=None,
        score_bias_init=0.0,
        mode="parallel",
        dtype=None,
        name="BahdanauMonotonicAttention",
    ):
        arguments = {
            "num_units": num_units,
            "memory": memory,
            "memory_sequence_length": memory_sequence_length,
            "normalize": normalize,
            "score_mask_value": score_mask_value,
            "dtype": dtype,
            "name": name,
        }
        super().__init__(arguments, sigmoid_noise, sigmoid_noise_seed, score_bias_init, mode)

    _scope = "bahdanau_monotonic_attention"


class LuongMonotonicAttention(_Monotonic, seq2seq.LuongAttention):
    def __init__(
        self,
        num_units,
        memory,
        memory_sequence_length=None,
        scale=False,
        score_mask_value=None,
        sigmoid_noise=0.0,
        sigmoid_noise_seed=None,
        score_bias_init=0.0,
        mode="parallel",
        dtype=None,
        name="LuongMonotonicAttention",
    ):
        arguments = {
            "num_units": num_units,
            "memory": memory,
            "memory_sequence_length": memory_sequence_length,
            "scale": scale,
            "score_mask_value": score_mask_value,
            "dtype": dtype,
            "name": name,
        }
        super().__init__(arguments, sigmoid_noise, sigmoid_noise_seed, score_bias_init, mode)

    _scope = "luong_monotonic_attention"


class ScheduledOutputTrainingHelper(seq2seq.TrainingHelper):
    """Feeds back the outputs in place of some given inputs (Bengio et al., arXiv:1506.03099)."""

    sample_ids_dtype = tf.int32

    def __init__(
        self,
        inputs,
        sequence_length,
        sampling_probability,
        time_major=False,
        seed=None,
        next_inputs_fn=None,
        auxiliary_inputs=None,
        name=None,
    ):
        self._auxiliary = None
        if auxiliary_inputs is not None:
            extra = seq2seq.TrainingHelper(auxiliary_inputs, sequence_length, time_major)
            self._auxiliary = extra._read
            inputs = tf.concat([inputs, auxiliary_inputs], -1)
        super().__init__(inputs, sequence_length, time_major)
        self._probability = sampling_probability
        self._seed = seed
        self._next = next_inputs_fn or (lambda outputs: outputs)

    def sample(self, time, outputs, state=None, name=None):
        chosen = tf.random_uniform([self.batch_size], seed=self._seed) < self._probability
        return tf.cast(chosen, tf.int32)

    def next_inputs(self, time, outputs, state, sample_ids=None, name=None):
        finished, inputs, state = super().next_inputs(time, outputs, state)
        outputs = self._next(outputs)
        if self._auxiliary is not None:
            outputs = tf.concat([outputs, self._auxiliary(time + 1, finished)], -1)
        return finished, tf.where(tf.cast(sample_ids, tf.bool), outputs, inputs), state
