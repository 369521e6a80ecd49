"""Stands for `tf.contrib.seq2seq`: decoders, their helpers, attention and beam search.

Decoders emit (batch, time, ...) unless `output_time_major`. Variable names are those of 1.15.
"""

import collections
import math

import numpy as np
import tensorflow.compat.v1 as tf
from tensorflow.python.keras.layers.legacy_rnn.rnn_cell_impl import (
    RNNCell,
    _zero_state_tensors,
    assert_like_rnncell,
)
from tensorflow.python.keras.legacy_tf_layers.core import Dense

map_structure = tf.nest.map_structure
_MONOTONIC = (
    "BahdanauMonotonicAttention",
    "LuongMonotonicAttention",
    "ScheduledOutputTrainingHelper",
    "monotonic_attention",
    "safe_cumprod",
)


def __getattr__(name):
    if name not in _MONOTONIC:
        raise AttributeError(name)
    from tf1_style.run.contrib import monotonic

    return getattr(monotonic, name)


class Decoder:
    """What `dynamic_decode` runs: `initialize`, `step` and maybe `finalize`."""

    tracks_own_finished = False

    def finalize(self, outputs, final_state, sequence_lengths):
        return outputs, final_state


def _is_array(value):
    return isinstance(value, tf.TensorArray)


def dynamic_decode(
    decoder,
    output_time_major=False,
    impute_finished=False,
    maximum_iterations=None,
    parallel_iterations=32,
    swap_memory=False,
    scope=None,
):
    """Returns the outputs, the final state and the (batch,) lengths."""
    with tf.variable_scope(scope, "decoder") as outer:
        if outer.caching_device is None:
            outer.set_caching_device(lambda op: op.device)
        finished, inputs, state = decoder.initialize()
        batch = decoder.batch_size
        if maximum_iterations is not None:
            finished = tf.logical_or(finished, 0 >= maximum_iterations)
        static = tf.get_static_value(tf.convert_to_tensor(batch))

        def array(size, dtype):
            shape = tf.TensorShape([static]).concatenate(tf.TensorShape(size))
            return tf.TensorArray(dtype, 0, dynamic_size=True, element_shape=shape)

        size = decoder.output_size
        arrays = map_structure(array, size, decoder.output_dtype)
        zeros = map_structure(
            lambda s, d: _zero_state_tensors(s, batch, d), size, decoder.output_dtype
        )

        def body(time, arrays, state, inputs, finished, lengths):
            outputs, new_state, new_inputs, done = decoder.step(time, inputs, state)
            if not decoder.tracks_own_finished:
                done = tf.logical_or(done, finished)
            lengths = tf.where(finished, lengths, tf.fill(tf.shape(lengths), time + 1))
            if impute_finished:
                outputs = map_structure(lambda o, z: tf.where(finished, z, o), outputs, zeros)

                def keep(new, old):
                    if _is_array(old):
                        return new
                    new.set_shape(old.shape)
                    return new if new.shape.rank == 0 else tf.where(finished, old, new)

                new_state = map_structure(keep, new_state, state)
            arrays = map_structure(lambda a, o: a.write(time, o), arrays, outputs)
            return time + 1, arrays, new_state, new_inputs, done, lengths

        _, arrays, state, _, _, lengths = tf.while_loop(
            lambda time, arrays, state, inputs, finished, lengths: ~tf.reduce_all(finished),
            body,
            (tf.constant(0), arrays, state, inputs, finished, tf.zeros_like(finished, tf.int32)),
            parallel_iterations=parallel_iterations,
            maximum_iterations=maximum_iterations,
            swap_memory=swap_memory,
        )
        outputs = map_structure(lambda a: a.stack(), arrays)
        try:
            outputs, state = decoder.finalize(outputs, state, lengths)
        except NotImplementedError:  # a program's own decoder may say so
            pass
        if not output_time_major:
            outputs = map_structure(_swap, outputs)
    return outputs, state, lengths


def _swap(x):
    """Exchanges batch and time."""
    static = x.shape
    x = tf.transpose(x, tf.concat([[1, 0], tf.range(2, tf.rank(x))], 0))
    x.set_shape([static[1], static[0], *static[2:]])
    return x


class Helper:
    """Chooses a decoder's inputs and samples."""

    sample_ids_shape = tf.TensorShape([])
    sample_ids_dtype = tf.int32


class CustomHelper(Helper):
    """A helper made of three functions."""

    def __init__(
        self,
        initialize_fn,
        sample_fn,
        next_inputs_fn,
        sample_ids_shape=None,
        sample_ids_dtype=None,
    ):
        self._functions = (initialize_fn, sample_fn, next_inputs_fn)
        self.batch_size = None
        self.sample_ids_shape = tf.TensorShape(sample_ids_shape or [])
        self.sample_ids_dtype = sample_ids_dtype or tf.int32

    def initialize(self, name=None):
        finished, inputs = self._functions[0]()
        if self.batch_size is None:
            self.batch_size = tf.size(finished)
        return finished, inputs

    def sample(self, time, outputs, state, name=None):
        return self._functions[1](time=time, outputs=outputs, state=state)

    def next_inputs(self, time, outputs, state, sample_ids, name=None):
        return self._functions[2](time=time, outputs=outputs, state=state, sample_ids=sample_ids)


class TrainingHelper(Helper):
    """Feeds the given inputs."""

    def __init__(self, inputs, sequence_length, time_major=False, name=None):
        inputs = map_structure(tf.convert_to_tensor, inputs)
        self.inputs = inputs
        inputs = inputs if time_major else map_structure(_swap, inputs)
        self._arrays = map_structure(
            lambda x: tf.TensorArray(x.dtype, tf.shape(x)[0], element_shape=x.shape[1:]).unstack(x),
            inputs,
        )
        self._zeros = map_structure(lambda x: tf.zeros_like(x[0]), inputs)
        self.sequence_length = tf.convert_to_tensor(sequence_length)
        self.batch_size = tf.size(self.sequence_length)

    def _read(self, time, finished):
        """Returns the inputs of a step, zeros after the longest sequence's end."""
        return tf.cond(
            tf.reduce_all(finished),
            lambda: self._zeros,
            lambda: map_structure(lambda a: a.read(time), self._arrays),
        )

    def initialize(self, name=None):
        finished = tf.equal(0, self.sequence_length)
        return finished, self._read(0, finished)

    def sample(self, time, outputs, state=None, name=None):
        return tf.argmax(outputs, -1, output_type=tf.int32)

    def next_inputs(self, time, outputs, state, sample_ids=None, name=None):
        finished = time + 1 >= tf.cast(self.sequence_length, tf.int32)
        return finished, self._read(time + 1, finished), state


def _embedding_function(embedding):
    return embedding if callable(embedding) else lambda i: tf.nn.embedding_lookup(embedding, i)


def _draw(logits, seed=None):
    """Draws one id a row."""
    return tf.random.categorical(logits, 1, seed=seed, dtype=tf.int32)[:, 0]


class ScheduledEmbeddingTrainingHelper(TrainingHelper):
    """Feeds drawn symbols in place of some given ones (Bengio et al., arXiv:1506.03099)."""

    def __init__(
        self,
        inputs,
        sequence_length,
        embedding,
        sampling_probability,
        time_major=False,
        seed=None,
        scheduling_seed=None,
        name=None,
    ):
        super().__init__(inputs, sequence_length, time_major)
        self._embed = _embedding_function(embedding)
        self._probability = sampling_probability
        self._seeds = (seed, scheduling_seed)

    def sample(self, time, outputs, state=None, name=None):
        chosen = tf.random_uniform([self.batch_size], seed=self._seeds[1]) < self._probability
        ids = _draw(outputs, self._seeds[0])
        return tf.where(chosen, ids, tf.fill(tf.shape(ids), -1))

    def next_inputs(self, time, outputs, state, sample_ids=None, name=None):
        finished, inputs, state = super().next_inputs(time, outputs, state)
        embedded = self._embed(tf.maximum(sample_ids, 0))
        return finished, tf.where(sample_ids > -1, embedded, inputs), state


class GreedyEmbeddingHelper(Helper):
    """Feeds back the most likely symbol."""

    def __init__(self, embedding, start_tokens, end_token):
        self._embed = _embedding_function(embedding)
        self._start = tf.convert_to_tensor(start_tokens, tf.int32)
        self._end = tf.convert_to_tensor(end_token, tf.int32)
        self.batch_size = tf.size(self._start)
        self._start_inputs = self._embed(self._start)

    def initialize(self, name=None):
        return tf.fill([self.batch_size], False), self._start_inputs

    def sample(self, time, outputs, state, name=None):
        return tf.argmax(outputs, -1, output_type=tf.int32)

    def next_inputs(self, time, outputs, state, sample_ids, name=None):
        finished = tf.equal(sample_ids, self._end)
        inputs = tf.cond(
            tf.reduce_all(finished), lambda: self._start_inputs, lambda: self._embed(sample_ids)
        )
        return finished, inputs, state


class SampleEmbeddingHelper(GreedyEmbeddingHelper):
    """Feeds back a drawn symbol."""

    def __init__(self, embedding, start_tokens, end_token, softmax_temperature=None, seed=None):
        super().__init__(embedding, start_tokens, end_token)
        self._temperature = 1.0 if softmax_temperature is None else softmax_temperature
        self._seed = seed

    def sample(self, time, outputs, state, name=None):
        return _draw(outputs / self._temperature, self._seed)


class InferenceHelper(Helper):
    """Feeds back what a function samples."""

    def __init__(
        self, sample_fn, sample_shape, sample_dtype, start_inputs, end_fn, next_inputs_fn=None
    ):
        self._sample = sample_fn
        self._end = end_fn
        self._next = next_inputs_fn or (lambda ids: ids)
        self.sample_ids_shape = tf.TensorShape(sample_shape)
        self.sample_ids_dtype = sample_dtype
        self._start_inputs = tf.convert_to_tensor(start_inputs)
        self.batch_size = tf.shape(start_inputs)[0]

    def initialize(self, name=None):
        return tf.fill([self.batch_size], False), self._start_inputs

    def sample(self, time, outputs, state, name=None):
        return self._sample(outputs)

    def next_inputs(self, time, outputs, state, sample_ids, name=None):
        return self._end(sample_ids), self._next(sample_ids), state


BasicDecoderOutput = collections.namedtuple("BasicDecoderOutput", ("rnn_output", "sample_id"))


def _layer_size(size, layer):
    if layer is None:
        return size
    shape = tf.TensorShape([None]).concatenate(tf.TensorShape(size))
    return tf.TensorShape(layer.compute_output_shape(shape))[1:]


class BasicDecoder(Decoder):
    """A cell, a helper and maybe an output layer."""

    def __init__(self, cell, helper, initial_state, output_layer=None):
        assert_like_rnncell("cell", cell)
        self._cell = cell
        self._helper = helper
        self._initial_state = initial_state
        self._output_layer = output_layer

    @property
    def batch_size(self):
        return self._helper.batch_size

    @property
    def output_size(self):
        size = _layer_size(self._cell.output_size, self._output_layer)
        return BasicDecoderOutput(size, self._helper.sample_ids_shape)

    @property
    def output_dtype(self):
        dtype = tf.nest.flatten(self._initial_state)[0].dtype
        return BasicDecoderOutput(dtype, self._helper.sample_ids_dtype)

    def initialize(self, name=None):
        return (*self._helper.initialize(), self._initial_state)

    def step(self, time, inputs, state, name=None):
        with tf.name_scope(name, "BasicDecoderStep"):
            outputs, state = self._cell(inputs, state)
            outputs = outputs if self._output_layer is None else self._output_layer(outputs)
            ids = self._helper.sample(time=time, outputs=outputs, state=state)
            finished, inputs, state = self._helper.next_inputs(
                time=time, outputs=outputs, state=state, sample_ids=ids
            )
        return BasicDecoderOutput(outputs, ids), state, inputs, finished


class AttentionMechanism:
    """What scores a memory."""


class _BaseAttentionMechanism(AttentionMechanism):
    """A (batch, time, n) memory, and how the scores of its steps become probabilities."""

    def __init__(
        self,
        query_layer,
        memory,
        probability_fn,
        memory_sequence_length=None,
        memory_layer=None,
        check_inner_dims_defined=True,
        score_mask_value=None,
        custom_key_value_fn=None,
        name=None,
    ):
        self.query_layer = self._query_layer = query_layer
        self.memory_layer = self._memory_layer = memory_layer
        self.dtype = tf.as_dtype(memory_layer.dtype or tf.float32)
        lengths = memory_sequence_length
        self._lengths = None if lengths is None else tf.convert_to_tensor(lengths)
        self._mask_value = -np.inf if score_mask_value is None else score_mask_value
        self._probability = probability_fn
        values = _prepare_memory(memory, self._lengths, check_inner_dims_defined)
        keys = memory_layer(values)
        if custom_key_value_fn is not None:
            keys, values = custom_key_value_fn(keys, values)
        self.keys, self.values = self._keys, self._values = keys, values
        batch, steps = (keys.shape[axis].value or tf.shape(keys)[axis] for axis in (0, 1))
        self.batch_size = self._batch_size = batch
        self.alignments_size = self._alignments_size = self.state_size = steps

    def initial_alignments(self, batch_size, dtype):
        return _zero_state_tensors(self.alignments_size, batch_size, dtype)

    def initial_state(self, batch_size, dtype):
        return self.initial_alignments(batch_size, dtype)

    def _probability_fn(self, score, previous):
        return self._probability(
            _maybe_mask_score(score, self._lengths, self._mask_value), previous
        )

    def _align(self, score, state):
        alignments = self._probability_fn(score, state)
        return alignments, alignments


def _prepare_memory(memory, memory_sequence_length, check_inner_dims_defined):
    """Returns the memory with zeros after the end of each sequence."""
    memory = tf.convert_to_tensor(memory)
    if memory_sequence_length is None:
        return memory
    mask = tf.sequence_mask(memory_sequence_length, tf.shape(memory)[1], memory.dtype)
    return memory * mask[:, :, None]


def _maybe_mask_score(score, memory_sequence_length, score_mask_value):
    if memory_sequence_length is None:
        return score
    mask = tf.sequence_mask(memory_sequence_length, tf.shape(score)[1])
    return tf.where(mask, score, score_mask_value * tf.ones_like(score))


def _layers(num_units, dtype, *names):
    options = {"use_bias": False, "dtype": dtype or tf.float32}
    return {name: Dense(num_units, name=name, **options) for name in names}


def _of_score(probability_fn):
    probability_fn = probability_fn or tf.nn.softmax
    return lambda score, previous: probability_fn(score)


class LuongAttention(_BaseAttentionMechanism):
    """Multiplicative attention (Luong et al., arXiv:1508.04025)."""

    _scope = "luong_attention"

    def __init__(
        self,
        num_units,
        memory,
        memory_sequence_length=None,
        scale=False,
        probability_fn=None,
        score_mask_value=None,
        dtype=None,
        custom_key_value_fn=None,
        name="LuongAttention",
    ):
        super().__init__(
            memory=memory,
            probability_fn=_of_score(probability_fn),
            memory_sequence_length=memory_sequence_length,
            score_mask_value=score_mask_value,
            custom_key_value_fn=custom_key_value_fn,
            query_layer=None,
            **_layers(num_units, dtype, "memory_layer"),
        )
        self._num_units, self._name = num_units, name
        self._scale = scale

    def __call__(self, query, state):
        with tf.variable_scope(None, self._scope):
            g = None
            if self._scale:
                ones = tf.ones_initializer()
                g = tf.get_variable("attention_g", (), query.dtype, initializer=ones)
            return self._align(_luong_score(query, self.keys, g), state)


def _luong_score(query, keys, scale):
    score = tf.matmul(query[:, None], keys, transpose_b=True)[:, 0]
    return score if scale is None else scale * score


class BahdanauAttention(_BaseAttentionMechanism):
    """Additive attention (Bahdanau et al., arXiv:1409.0473; normalized: arXiv:1602.07868)."""

    _scope = "bahdanau_attention"

    def __init__(
        self,
        num_units,
        memory,
        memory_sequence_length=None,
        normalize=False,
        probability_fn=None,
        score_mask_value=None,
        dtype=None,
        custom_key_value_fn=None,
        name="BahdanauAttention",
    ):
        super().__init__(
            memory=memory,
            probability_fn=_of_score(probability_fn),
            memory_sequence_length=memory_sequence_length,
            score_mask_value=score_mask_value,
            custom_key_value_fn=custom_key_value_fn,
            **_layers(num_units, dtype, "query_layer", "memory_layer"),
        )
        self._num_units, self._name = num_units, name
        self._normalize = normalize

    def __call__(self, query, state):
        with tf.variable_scope(None, self._scope):
            query = self.query_layer(query)
            units, g, b = self._num_units, None, None
            v = tf.get_variable("attention_v", [units], query.dtype)
            if self._normalize:
                start = tf.constant_initializer(math.sqrt(1.0 / units))
                g = tf.get_variable("attention_g", (), query.dtype, initializer=start)
                start = tf.zeros_initializer()
                b = tf.get_variable("attention_b", [units], query.dtype, initializer=start)
            return self._align(_bahdanau_score(query, self.keys, v, g, b), state)


def _bahdanau_score(processed_query, keys, attention_v, attention_g=None, attention_b=None):
    total, v = keys + processed_query[:, None], attention_v
    if attention_g is not None:
        total += attention_b
        v = attention_g * v * tf.rsqrt(tf.reduce_sum(tf.square(v)))
    return tf.reduce_sum(v * tf.tanh(total), 2)


def hardmax(logits, name=None):
    """Returns the one-hot of the largest."""
    return tf.one_hot(tf.argmax(logits, -1), tf.shape(logits)[-1], dtype=logits.dtype)


class AttentionWrapperState(
    collections.namedtuple(
        "AttentionWrapperState",
        "cell_state attention time alignments alignment_history attention_state",
    )
):
    """The state of an AttentionWrapper."""

    def clone(self, **changes):
        def like(old, new):
            if tf.is_tensor(old) and tf.is_tensor(new):
                new.set_shape(old.shape)
            return new

        return map_structure(like, self, self._replace(**changes))


class AttentionWrapper(RNNCell):
    """A cell that reads from one or several attention mechanisms."""

    def __init__(
        self,
        cell,
        attention_mechanism,
        attention_layer_size=None,
        alignment_history=False,
        cell_input_fn=None,
        output_attention=True,
        initial_cell_state=None,
        name=None,
        attention_layer=None,
        attention_fn=None,
        dtype=None,
    ):
        super().__init__(name=name, dtype=dtype)
        assert_like_rnncell("cell", cell)
        self._is_multi = isinstance(attention_mechanism, (list, tuple))
        mechanisms = tuple(attention_mechanism) if self._is_multi else (attention_mechanism,)
        sizes, layers = attention_layer_size, attention_layer
        if sizes is not None:
            sizes = sizes if isinstance(sizes, (list, tuple)) else (sizes,)
            layers = [
                Dense(size, name="attention_layer", use_bias=False, dtype=mechanism.dtype)
                for size, mechanism in zip(sizes, mechanisms, strict=True)
            ]
        elif layers is not None:
            layers = layers if isinstance(layers, (list, tuple)) else (layers,)
        self._cell = cell
        # Keras would wrap tuples among a layer's attributes; a function's value it leaves alone.
        self._parts = lambda: (mechanisms, layers or [None] * len(mechanisms))
        widths = [mechanism.values.shape[-1].value for mechanism in mechanisms]
        if layers is not None:
            shapes = [
                _layer_size(cell.output_size + width, layer) for layer, width in zip(layers, widths)
            ]
            widths = [tf.TensorShape(shape)[-1].value for shape in shapes]
        self._attention_size = sum(widths)
        self._join = cell_input_fn or (lambda inputs, attention: tf.concat([inputs, attention], -1))
        self._attention_fn = attention_fn or _compute_attention
        self._output_attention = output_attention
        self._has_history = alignment_history
        self._initial = lambda: initial_cell_state

    def _each(self, values):
        return tuple(values) if self._is_multi else next(iter(values))

    @property
    def output_size(self):
        return self._attention_size if self._output_attention else self._cell.output_size

    @property
    def state_size(self):
        sizes = self._each([m.alignments_size for m in self._parts()[0]])
        history = sizes if self._has_history else self._each([() for _ in self._parts()[0]])
        return AttentionWrapperState(
            self._cell.state_size,
            self._attention_size,
            tf.TensorShape([]),
            sizes,
            history,
            self._each([m.state_size for m in self._parts()[0]]),
        )

    def zero_state(self, batch_size, dtype):
        mechanisms = self._parts()[0]
        with tf.name_scope(type(self).__name__ + "ZeroState"):
            state = self._initial()
            if state is None:
                state = self._cell.zero_state(batch_size, dtype)
            first = [m.initial_alignments(batch_size, dtype) for m in mechanisms]
            history = [
                tf.TensorArray(dtype, 0, dynamic_size=True, element_shape=a.shape)
                if self._has_history
                else ()
                for a in first
            ]
            return AttentionWrapperState(
                map_structure(tf.identity, state),
                _zero_state_tensors(self._attention_size, batch_size, dtype),
                tf.zeros([], tf.int32),
                self._each(first),
                self._each(history),
                self._each([m.initial_state(batch_size, dtype) for m in mechanisms]),
            )

    def call(self, inputs, state):
        output, cell_state = self._cell(self._join(inputs, state.attention), state.cell_state)
        states, histories = state.attention_state, state.alignment_history
        if not self._is_multi:
            states, histories = [states], [histories]
        results = []
        for mechanism, layer, before, history in zip(*self._parts(), states, histories):
            read, alignments, after = self._attention_fn(mechanism, output, before, layer)
            history = history.write(state.time, alignments) if self._has_history else ()
            results.append((read, alignments, history, after))
        reads, alignments, histories, states = zip(*results)
        attention = tf.concat(reads, 1)
        state = AttentionWrapperState(
            cell_state,
            attention,
            state.time + 1,
            self._each(alignments),
            self._each(histories),
            self._each(states),
        )
        return (attention if self._output_attention else output), state


def _compute_attention(mechanism, output, state, layer):
    alignments, state = mechanism(output, state=state)
    context = tf.matmul(alignments[:, None], mechanism.values)[:, 0]
    attention = context if layer is None else layer(tf.concat([output, context], 1))
    return attention, alignments, state


def tile_batch(t, multiplier, name=None):
    """Repeats each row `multiplier` times."""

    def tile(x):
        x = tf.convert_to_tensor(x)
        tiled = tf.repeat(x, multiplier, axis=0)
        rows = x.shape[0].value
        tiled.set_shape([rows * multiplier if rows else None, *x.shape[1:]])
        return tiled

    with tf.name_scope(name, "tile_batch"):
        return map_structure(tile, t)


BeamSearchDecoderState = collections.namedtuple(
    "BeamSearchDecoderState", "cell_state log_probs finished lengths accumulated_attention_probs"
)
BeamSearchDecoderOutput = collections.namedtuple(
    "BeamSearchDecoderOutput", "scores predicted_ids parent_ids"
)
FinalBeamSearchDecoderOutput = collections.namedtuple(
    "FinalBeamDecoderOutput", "predicted_ids beam_search_decoder_output"
)


def _follow(values, parents, lengths, end_token):
    """Follows (time, batch, beam) parents back from each batch's last step; ends after the end."""
    longest = tf.reduce_max(tf.cast(lengths, tf.int32), 1)
    time = tf.shape(parents)[0]
    beams = tf.zeros_like(parents[0]) + tf.range(tf.shape(parents)[2])

    def back(beam, item):
        step, parent = item
        moved = tf.batch_gather(parent, beam)
        return tf.where(tf.tile(step < longest[:, None], [1, tf.shape(beam)[1]]), moved, beam)

    steps = tf.range(1, time)
    earlier = tf.scan(back, (steps, parents[1:]), beams, reverse=True)
    chain = tf.concat([earlier, beams[None]], 0)
    chosen = tf.batch_gather(values, chain)
    inside = tf.tile(
        tf.transpose(tf.sequence_mask(longest, time))[:, :, None], [1, 1, tf.shape(parents)[2]]
    )
    ended = tf.cumsum(tf.cast(tf.equal(chosen, end_token), tf.int32), 0, exclusive=True) > 0
    inside &= ~ended
    # A finished beam keeps its own place in what is sorted along the chain.
    mask = tf.transpose(tf.sequence_mask(lengths, time), [2, 0, 1])
    own = tf.zeros_like(chain) + tf.range(tf.shape(parents)[2])
    ids = tf.where(inside, chosen, tf.fill(tf.shape(chosen), end_token))
    return ids, tf.where(mask, chain, own)


def gather_tree(step_ids, parent_ids, max_sequence_lengths, end_token, name=None):
    """Returns the (time, batch, beam) ids of full beams."""
    step_ids, parents = tf.convert_to_tensor(step_ids), tf.convert_to_tensor(parent_ids)
    lengths = tf.tile(
        tf.convert_to_tensor(max_sequence_lengths)[:, None], [1, tf.shape(parents)[2]]
    )
    return _follow(step_ids, parents, lengths, end_token)[0]


class BeamSearchDecoder(Decoder):
    """Beam search with the length penalty of Wu et al., arXiv:1609.08144."""

    tracks_own_finished = True

    def __init__(
        self,
        cell,
        embedding,
        start_tokens,
        end_token,
        initial_state,
        beam_width,
        output_layer=None,
        length_penalty_weight=0.0,
        coverage_penalty_weight=0.0,
        reorder_tensor_arrays=True,
    ):
        assert_like_rnncell("cell", cell)
        self._cell = cell
        self._output_layer = output_layer
        self._width = beam_width
        self._length_weight = length_penalty_weight
        self._coverage_weight = coverage_penalty_weight
        self._reorders = reorder_tensor_arrays
        self._embed = _embedding_function(embedding)
        start = tf.convert_to_tensor(start_tokens, tf.int32)
        self._end = tf.convert_to_tensor(end_token, tf.int32)
        self.batch_size = start.shape[0].value or tf.size(start)
        self._start_inputs = self._embed(tf.tile(start[:, None], [1, beam_width]))
        self._initial_state = map_structure(self._split, initial_state)

    @property
    def output_size(self):
        return BeamSearchDecoderOutput(*[tf.TensorShape([self._width])] * 3)

    @property
    def output_dtype(self):
        dtype = tf.nest.flatten(self._initial_state)[0].dtype
        return BeamSearchDecoderOutput(dtype, tf.int32, tf.int32)

    def _split(self, x):
        """(batch * beam, ...) to (batch, beam, ...); scalars and arrays stay as they are."""
        if _is_array(x) or x.shape.rank == 0:
            return x
        split = tf.reshape(x, tf.concat([[self.batch_size, self._width], tf.shape(x)[1:]], 0))
        rows = self.batch_size if isinstance(self.batch_size, int) else None
        split.set_shape([rows, self._width, *x.shape[1:]])
        return split

    def _merge(self, x):
        if _is_array(x) or x.shape.rank < 2:
            return x
        merged = tf.reshape(x, tf.concat([[-1], tf.shape(x)[2:]], 0))
        rows = self.batch_size * self._width if isinstance(self.batch_size, int) else None
        merged.set_shape([rows, *x.shape[2:]])
        return merged

    def initialize(self, name=None):
        dtype = self.output_dtype.scores
        first = tf.one_hot(tf.zeros([self.batch_size], tf.int32), self._width) > 0
        zeros = tf.zeros([self.batch_size, self._width], dtype)
        state = BeamSearchDecoderState(
            self._initial_state,
            tf.where(first, zeros, zeros - np.inf),
            ~first,
            tf.zeros([self.batch_size, self._width], tf.int64),
            self._coverage(self._initial_state),
        )
        return ~first, self._start_inputs, state

    def _coverage(self, state):
        """Returns the (batch, beam, time) attention of a step, () where it has no weight."""
        if self._coverage_weight == 0.0:
            return ()
        states = (state,) if isinstance(state, AttentionWrapperState) else state
        found = [s.alignments for s in states if isinstance(s, AttentionWrapperState)]
        found = [tf.add_n(a) / len(a) if isinstance(a, tuple) else a for a in found]
        return tf.add_n(found) / len(found)

    def _scores(self, log_probs, lengths, finished, attention):
        if self._length_weight != 0.0:
            lengths = tf.cast(lengths, log_probs.dtype)
            log_probs /= ((5.0 + lengths) / 6.0) ** self._length_weight
        if self._coverage_weight == 0.0:
            return log_probs
        attention = tf.where(tf.equal(attention, 0.0), tf.ones_like(attention), attention)
        penalty = tf.reduce_sum(tf.log(tf.minimum(attention, 1.0)), 2)
        penalty *= tf.cast(finished, penalty.dtype) * self._coverage_weight
        return log_probs + penalty[:, :, None]

    def step(self, time, inputs, state, name=None):
        with tf.name_scope(name, "BeamSearchDecoderStep"):
            logits, cell_state = self._cell(
                map_structure(self._merge, inputs), map_structure(self._merge, state.cell_state)
            )
            logits, cell_state = map_structure(self._split, (logits, cell_state))
            logits = logits if self._output_layer is None else self._output_layer(logits)
            output, state = self._choose(logits, cell_state, state)
            inputs = tf.cond(
                tf.reduce_all(state.finished),
                lambda: self._start_inputs,
                lambda: self._embed(output.predicted_ids),
            )
        return output, state, inputs, state.finished

    def _choose(self, logits, cell_state, state):
        """Keeps the best `beam_width` continuations of all beams of a sequence."""
        words = logits.shape[-1].value or tf.shape(logits)[-1]
        finished = state.finished[:, :, None]
        is_end = tf.one_hot(self._end, words, True, False, dtype=tf.bool)[None, None]
        # A finished beam goes on with the end token alone, at no cost.
        ended = tf.where(is_end, tf.zeros([1, 1, words]), tf.fill([1, 1, words], logits.dtype.min))
        step = tf.where_v2(finished, ended, tf.nn.log_softmax(logits))
        total = state.log_probs[:, :, None] + step
        longer = tf.cast(~finished & ~is_end, tf.int64)
        attention = self._coverage(cell_state)
        if self._coverage_weight != 0.0:
            attention *= tf.cast(~finished, attention.dtype)
            attention += state.accumulated_attention_probs
        lengths = state.lengths[:, :, None] + longer
        scores = self._scores(total, lengths, state.finished, attention)
        flat = [self.batch_size, self._width * words]
        best, index = tf.nn.top_k(tf.reshape(scores, flat), self._width)
        parents, ids = index // words, index % words

        def from_parents(x):
            if _is_array(x) or x.shape.rank < 2:
                return x
            chosen = tf.gather(x, parents, batch_dims=1)
            chosen.set_shape(x.shape)
            return chosen

        was_finished = from_parents(state.finished)
        new = BeamSearchDecoderState(
            map_structure(from_parents, cell_state),
            tf.gather(tf.reshape(total, flat), index, batch_dims=1),
            was_finished | tf.equal(ids, self._end),
            from_parents(state.lengths) + tf.cast(~was_finished, tf.int64),
            map_structure(from_parents, attention),
        )
        return BeamSearchDecoderOutput(best, ids, parents), new

    def _is_sortable(self, shape):
        """Whether 1.15 sorts an array of such elements: it leaves (batch * beam, n) alone."""
        if not shape.rank or not isinstance(self.batch_size, int) or shape[0].value is None:
            return bool(shape.rank)
        if shape.rank == 1 or shape[1].value is None:
            return shape[0].value == self.batch_size * self._width
        return False

    def finalize(self, outputs, final_state, sequence_lengths):
        parents, lengths = outputs.parent_ids, final_state.lengths
        ids, chain = _follow(outputs.predicted_ids, parents, lengths, self._end)

        def sort(x):
            if not _is_array(x) or not self._is_sortable(x.element_shape):
                return x
            x = x.stack()
            shape = tf.shape(x)
            split = tf.reshape(x, tf.concat([tf.shape(chain), [-1]], 0))
            return tf.reshape(tf.gather(split, chain, batch_dims=2), shape)

        if self._reorders:
            state = map_structure(sort, final_state.cell_state)
            final_state = final_state._replace(cell_state=state)
        return FinalBeamSearchDecoderOutput(ids, outputs), final_state


def sequence_loss(
    logits,
    targets,
    weights,
    average_across_timesteps=True,
    average_across_batch=True,
    sum_over_timesteps=False,
    sum_over_batch=False,
    softmax_loss_function=None,
    name=None,
):
    """Returns the weighted cross-entropy of (batch, time, n) logits, averaged over what it says."""
    loss = softmax_loss_function or tf.nn.sparse_softmax_cross_entropy_with_logits
    with tf.name_scope(name, "sequence_loss"):
        flat = tf.reshape(logits, [-1, tf.shape(logits)[2]])
        losses = loss(labels=tf.reshape(targets, [-1]), logits=flat) * tf.reshape(weights, [-1])
        losses = tf.reshape(losses, tf.shape(logits)[:2])
        over_batch = average_across_batch or sum_over_batch
        over_time = average_across_timesteps or sum_over_timesteps
        axes = [0] * over_batch + [1] * over_time
        if not axes:
            return losses
        if average_across_batch or average_across_timesteps:
            count = tf.reduce_sum(weights, axes)
        else:
            count = tf.cast(tf.count_nonzero(weights, axes), losses.dtype)
        return tf.div_no_nan(tf.reduce_sum(losses, axes), count)
