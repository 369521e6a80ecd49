"""Stands for `tf.contrib.legacy_seq2seq`, before 1.0 `tf.nn.seq2seq`.

Sequences are lists of (batch, ...) tensors, one for each step. Sutskever et al., arXiv:1409.3215;
the attention is that of Vinyals et al., arXiv:1412.7449. Variable names are those of 1.15.
"""

import copy
import inspect

import tensorflow.compat.v1 as tf

from tf1_style.run.contrib import rnn


def _argmax_and_embed(embedding, output_projection=None, update_embedding=True):
    """Returns a loop function: embeds the most likely symbol of the previous output."""

    def loop_function(previous, _):
        if output_projection is not None:
            previous = tf.nn.xw_plus_b(previous, *output_projection)
        embedded = tf.nn.embedding_lookup(embedding, tf.argmax(previous, 1))
        return embedded if update_embedding else tf.stop_gradient(embedded)

    return loop_function


_extract_argmax_and_embed = _argmax_and_embed


def _next_input(i, given, previous, loop_function):
    """Returns the input of step i, the loop function's if there is one; reuses the variables."""
    if i > 0 and loop_function is not None:
        with tf.variable_scope("loop_function", reuse=True):
            given = loop_function(previous, i)
    if i > 0:
        tf.get_variable_scope().reuse_variables()
    return given


def rnn_decoder(decoder_inputs, initial_state, cell, loop_function=None, scope=None):
    """Returns the list of outputs and the last state."""
    state, outputs = initial_state, []
    with tf.variable_scope(scope or "rnn_decoder"):
        for i, given in enumerate(decoder_inputs):
            given = _next_input(i, given, outputs and outputs[-1], loop_function)
            output, state = cell(given, state)
            outputs.append(output)
    return outputs, state


def basic_rnn_seq2seq(encoder_inputs, decoder_inputs, cell, dtype=tf.float32, scope=None):
    with tf.variable_scope(scope or "basic_rnn_seq2seq"):
        _, state = tf.nn.static_rnn(copy.deepcopy(cell), encoder_inputs, dtype=dtype)
        return rnn_decoder(decoder_inputs, state, cell)


def tied_rnn_seq2seq(
    encoder_inputs, decoder_inputs, cell, loop_function=None, dtype=tf.float32, scope=None
):
    with tf.variable_scope("combined_tied_rnn_seq2seq"):
        scope = scope or "tied_rnn_seq2seq"
        _, state = tf.nn.static_rnn(cell, encoder_inputs, dtype=dtype, scope=scope)
        tf.get_variable_scope().reuse_variables()
        return rnn_decoder(decoder_inputs, state, cell, loop_function, scope)


def embedding_rnn_decoder(
    decoder_inputs,
    initial_state,
    cell,
    num_symbols,
    embedding_size,
    output_projection=None,
    feed_previous=False,
    update_embedding_for_previous=True,
    scope=None,
):
    with tf.variable_scope(scope or "embedding_rnn_decoder"):
        embedding = tf.get_variable("embedding", [num_symbols, embedding_size])
        loop = _argmax_and_embed(embedding, output_projection, update_embedding_for_previous)
        embedded = [tf.nn.embedding_lookup(embedding, i) for i in decoder_inputs]
        return rnn_decoder(embedded, initial_state, cell, loop if feed_previous else None)


def _fed(feed_previous, decode, like):
    """Runs a decoder whose `feed_previous` is a bool, or a tensor that chooses at run time.

    decode : function of a bool and of whether the embedding learns from the fed back symbols.
    like : a state, for the structure of the result's.
    """
    if isinstance(feed_previous, bool):
        return decode(feed_previous, True)
    counts = []

    def branch(is_fed):
        with tf.variable_scope(tf.get_variable_scope(), reuse=None if is_fed else True):
            outputs, state = decode(is_fed, False)
        counts.append(len(outputs))
        return [*outputs, *tf.nest.flatten(state)]

    flat = tf.cond(feed_previous, lambda: branch(True), lambda: branch(False))
    return flat[: counts[0]], tf.nest.pack_sequence_as(like, flat[counts[0] :])


def embedding_rnn_seq2seq(
    encoder_inputs,
    decoder_inputs,
    cell,
    num_encoder_symbols,
    num_decoder_symbols,
    embedding_size,
    output_projection=None,
    feed_previous=False,
    dtype=None,
    scope=None,
):
    with tf.variable_scope(scope or "embedding_rnn_seq2seq", dtype=dtype) as outer:
        encoder = rnn.EmbeddingWrapper(copy.deepcopy(cell), num_encoder_symbols, embedding_size)
        _, state = tf.nn.static_rnn(encoder, encoder_inputs, dtype=outer.dtype)
        if output_projection is None:
            cell = rnn.OutputProjectionWrapper(cell, num_decoder_symbols)

        def decode(is_fed, learns):
            return embedding_rnn_decoder(
                decoder_inputs,
                state,
                cell,
                num_decoder_symbols,
                embedding_size,
                output_projection,
                is_fed,
                learns,
            )

        return _fed(feed_previous, decode, state)


def embedding_tied_rnn_seq2seq(
    encoder_inputs,
    decoder_inputs,
    cell,
    num_symbols,
    embedding_size,
    num_decoder_symbols=None,
    output_projection=None,
    feed_previous=False,
    dtype=None,
    scope=None,
):
    with tf.variable_scope(scope or "embedding_tied_rnn_seq2seq", dtype=dtype) as outer:
        dtype = outer.dtype
        embedding = tf.get_variable("embedding", [num_symbols, embedding_size], dtype=dtype)
        inputs, targets = (
            [tf.nn.embedding_lookup(embedding, i) for i in ids]
            for ids in (encoder_inputs, decoder_inputs)
        )
        if output_projection is None:
            cell = rnn.OutputProjectionWrapper(cell, num_decoder_symbols or num_symbols)

        def decode(is_fed, learns):
            loop = _argmax_and_embed(embedding, output_projection, learns) if is_fed else None
            return tied_rnn_seq2seq(inputs, targets, cell, loop, dtype)

        return _fed(feed_previous, decode, cell.state_size)


def attention_decoder(
    decoder_inputs,
    initial_state,
    attention_states,
    cell,
    output_size=None,
    num_heads=1,
    loop_function=None,
    dtype=None,
    scope=None,
    initial_state_attention=False,
):
    """The decoder over (batch, length, n) attention states."""
    output_size = output_size or cell.output_size
    with tf.variable_scope(scope or "attention_decoder", dtype=dtype) as outer:
        dtype = outer.dtype
        depth = attention_states.shape[2].value
        heads = []
        for i in range(num_heads):
            weights = tf.get_variable(f"AttnW_{i}", [1, 1, depth, depth], dtype=dtype)
            keys = tf.tensordot(attention_states, weights[0, 0], 1)
            heads.append((keys, tf.get_variable(f"AttnV_{i}", [depth], dtype=dtype)))

        def attend(query):
            query, read = tf.concat(tf.nest.flatten(query), 1), []
            for i, (keys, v) in enumerate(heads):
                with tf.variable_scope(f"Attention_{i}"):
                    y = tf.cast(rnn.linear(query, depth, True), dtype)
                scores = tf.reduce_sum(v * tf.tanh(keys + y[:, None]), 2)
                weights = tf.cast(tf.nn.softmax(tf.cast(scores, tf.float32)), dtype)
                read.append(tf.reduce_sum(weights[:, :, None] * attention_states, 1))
            return read

        state, outputs = initial_state, []
        batch = tf.shape(decoder_inputs[0])[0]
        if initial_state_attention:
            attentions = attend(state)
        else:
            attentions = [tf.zeros([batch, depth], dtype) for _ in heads]
        for i, given in enumerate(decoder_inputs):
            given = _next_input(i, given, outputs and outputs[-1], loop_function)
            joined = [tf.cast(value, dtype) for value in [given, *attentions]]
            output, state = cell(rnn.linear(joined, given.shape[1].value, True), state)
            reuse = True if i == 0 and initial_state_attention else None
            with tf.variable_scope(tf.get_variable_scope(), reuse=reuse):
                attentions = attend(state)
            with tf.variable_scope("AttnOutputProjection"):
                joined = [tf.cast(output, dtype), *attentions]
                outputs.append(rnn.linear(joined, output_size, True))
    return outputs, state


def embedding_attention_decoder(
    decoder_inputs,
    initial_state,
    attention_states,
    cell,
    num_symbols,
    embedding_size,
    num_heads=1,
    output_size=None,
    output_projection=None,
    feed_previous=False,
    update_embedding_for_previous=True,
    dtype=None,
    scope=None,
    initial_state_attention=False,
):
    with tf.variable_scope(scope or "embedding_attention_decoder", dtype=dtype):
        embedding = tf.get_variable("embedding", [num_symbols, embedding_size])
        loop = _argmax_and_embed(embedding, output_projection, update_embedding_for_previous)
        return attention_decoder(
            [tf.nn.embedding_lookup(embedding, i) for i in decoder_inputs],
            initial_state,
            attention_states,
            cell,
            output_size,
            num_heads,
            loop if feed_previous else None,
            initial_state_attention=initial_state_attention,
        )


def embedding_attention_seq2seq(
    encoder_inputs,
    decoder_inputs,
    cell,
    num_encoder_symbols,
    num_decoder_symbols,
    embedding_size,
    num_heads=1,
    output_projection=None,
    feed_previous=False,
    dtype=None,
    scope=None,
    initial_state_attention=False,
):
    with tf.variable_scope(scope or "embedding_attention_seq2seq", dtype=dtype) as outer:
        encoder = rnn.EmbeddingWrapper(copy.deepcopy(cell), num_encoder_symbols, embedding_size)
        outputs, state = tf.nn.static_rnn(encoder, encoder_inputs, dtype=outer.dtype)
        size = None
        if output_projection is None:
            cell = rnn.OutputProjectionWrapper(cell, num_decoder_symbols)
            size = num_decoder_symbols

        def decode(is_fed, learns):
            return embedding_attention_decoder(
                decoder_inputs,
                state,
                tf.stack(outputs, 1),
                cell,
                num_decoder_symbols,
                embedding_size,
                num_heads,
                size,
                output_projection,
                is_fed,
                learns,
                initial_state_attention=initial_state_attention,
            )

        return _fed(feed_previous, decode, state)


def one2many_rnn_seq2seq(
    encoder_inputs,
    decoder_inputs_dict,
    enc_cell,
    dec_cells_dict,
    num_encoder_symbols,
    num_decoder_symbols_dict,
    embedding_size,
    feed_previous=False,
    dtype=None,
    scope=None,
):
    """One encoder, a decoder for each key; returns dicts of outputs and of states."""
    outputs, states = {}, {}
    with tf.variable_scope(scope or "one2many_rnn_seq2seq", dtype=dtype) as outer:
        encoder = rnn.EmbeddingWrapper(enc_cell, num_encoder_symbols, embedding_size)
        _, start = tf.nn.static_rnn(encoder, encoder_inputs, dtype=outer.dtype)
        for name, inputs in decoder_inputs_dict.items():
            symbols = num_decoder_symbols_dict[name]
            with tf.variable_scope(f"one2many_decoder_{name}"):
                cell = rnn.OutputProjectionWrapper(dec_cells_dict[name], symbols)

                def decode(is_fed, learns, inputs=inputs, cell=cell, symbols=symbols):
                    return embedding_rnn_decoder(
                        inputs,
                        start,
                        cell,
                        symbols,
                        embedding_size,
                        feed_previous=is_fed,
                        update_embedding_for_previous=learns,
                    )

                outputs[name], states[name] = _fed(feed_previous, decode, start)
    return outputs, states


def sequence_loss_by_example(
    logits,
    targets,
    weights,
    average_across_timesteps=True,
    softmax_loss_function=None,
    name=None,
):
    """Returns the (batch,) weighted cross-entropies."""
    if not len(logits) == len(targets) == len(weights):
        raise ValueError(
            f"got {len(logits)} logits, {len(targets)} targets and {len(weights)} weights, "
            "expected as many of each"
        )
    loss = softmax_loss_function or tf.nn.sparse_softmax_cross_entropy_with_logits
    with tf.name_scope(name, "sequence_loss_by_example"):
        steps = []
        for logit, target, weight in zip(logits, targets, weights):
            labels = target if softmax_loss_function else tf.reshape(target, [-1])
            steps.append(_with_its_names(loss, labels, logit) * weight)
        total = tf.add_n(steps)
        # The small number keeps a weight of 0 from a division by it, as in TensorFlow 1.
        return total / (tf.add_n(list(weights)) + 1e-12) if average_across_timesteps else total


def _with_its_names(loss, labels, logits):
    """Calls a loss(labels, logits), which before 1.1 was (labels, inputs) in either order."""
    names = inspect.signature(loss).parameters
    if "inputs" in names and "labels" in names:
        return loss(labels=labels, inputs=logits)
    return loss(labels=labels, logits=logits)


def sequence_loss(
    logits,
    targets,
    weights,
    average_across_timesteps=True,
    average_across_batch=True,
    softmax_loss_function=None,
    name=None,
):
    """Returns the scalar weighted cross-entropy."""
    with tf.name_scope(name, "sequence_loss"):
        losses = sequence_loss_by_example(
            logits, targets, weights, average_across_timesteps, softmax_loss_function
        )
        cost = tf.reduce_sum(losses)
        return cost / tf.cast(tf.shape(targets[0])[0], cost.dtype) if average_across_batch else cost


def model_with_buckets(
    encoder_inputs,
    decoder_inputs,
    targets,
    weights,
    buckets,
    seq2seq,
    softmax_loss_function=None,
    per_example_loss=False,
    name=None,
):
    """Returns the outputs and losses of one model for several (source, target) lengths."""
    loss = sequence_loss_by_example if per_example_loss else sequence_loss
    all_outputs, losses = [], []
    with tf.name_scope(name, "model_with_buckets"):
        for i, (source, target) in enumerate(buckets):
            with tf.variable_scope(tf.get_variable_scope(), reuse=True if i else None):
                outputs, _ = seq2seq(encoder_inputs[:source], decoder_inputs[:target])
                all_outputs.append(outputs)
                options = {"softmax_loss_function": softmax_loss_function}
                losses.append(loss(outputs, targets[:target], weights[:target], **options))
    return all_outputs, losses
