"""Decoders with attention, and beam search with its penalties: their names and figures."""
from __future__ import print_function

import numpy as np
import tensorflow as tf
from tensorflow.python.layers.core import Dense

s2s = tf.contrib.seq2seq
memory = np.sin(np.arange(2 * 5 * 4)).reshape(2, 5, 4).astype(np.float32)
targets = np.array([[1, 3, 2], [4, 5, 0]], np.int32)


def show(name, build):
    tf.reset_default_graph()
    with tf.Session() as sess:
        result = build()
        for i, v in enumerate(sorted(tf.global_variables(), key=lambda v: v.name)):
            shape = v.get_shape().as_list()
            value = 0.9 * np.cos(np.arange(int(np.prod(shape))) * 0.7 + i).reshape(shape)
            sess.run(v.assign(value.astype(np.float32)))
        print(name, [(v.name, v.get_shape().as_list()) for v in tf.global_variables()])
        for value in sess.run(result):
            print(value.shape, " ".join("%.5f" % v for v in np.ravel(value)[:24]))


def wrap(kind, beams=1, **options):
    values, lengths = tf.constant(memory), tf.constant([5, 3])
    if beams > 1:
        values, lengths = s2s.tile_batch([values, lengths], beams)
    if kind == "none":
        return tf.contrib.rnn.BasicLSTMCell(4)
    if kind == "luong":
        attention = s2s.LuongAttention(4, values, lengths, scale=options.pop("scale", False))
    else:
        attention = s2s.BahdanauAttention(3, values, lengths, normalize=kind == "normed")
    cell = tf.contrib.rnn.BasicLSTMCell(4)
    return s2s.AttentionWrapper(cell, attention, **options)


def decode(kind, mode, **options):
    def build():
        labels = tf.constant(targets)
        embedding = tf.get_variable("embedding", [6, 3])
        layer = Dense(6, use_bias=False, name="projection")
        beams = 3 if mode == "beam" else 1
        penalty = options.pop("length_penalty_weight", 0.0)
        coverage = options.pop("coverage_penalty_weight", 0.0)
        cell = wrap(kind, beams, **options)
        state = cell.zero_state(2 * beams, tf.float32)
        if mode == "beam":
            decoder = s2s.BeamSearchDecoder(
                cell, embedding, [1, 4], 0, state, 3, layer, penalty, coverage)
            outputs, final, lengths = s2s.dynamic_decode(decoder, maximum_iterations=6)
            result = [outputs.predicted_ids, outputs.beam_search_decoder_output.scores,
                      outputs.beam_search_decoder_output.parent_ids, lengths, final.log_probs]
            if options.get("alignment_history"):
                result.append(final.cell_state.alignment_history)
            return result
        if mode == "train":
            inputs = tf.nn.embedding_lookup(embedding, targets)
            helper = s2s.TrainingHelper(inputs, [3, 2])
        else:
            helper = s2s.GreedyEmbeddingHelper(embedding, tf.constant([1, 4]), 0)
        decoder = s2s.BasicDecoder(cell, helper, state, layer)
        outputs, final, lengths = s2s.dynamic_decode(
            decoder, impute_finished=True, maximum_iterations=5)
        result = [outputs.rnn_output, outputs.sample_id, lengths]
        if mode == "train":
            weights = tf.sequence_mask([3, 2], 3, tf.float32)
            loss = s2s.sequence_loss(outputs.rnn_output, labels, weights)
            result += [loss, s2s.sequence_loss(outputs.rnn_output, labels, weights,
                                               average_across_batch=False),
                       tf.gradients(loss, tf.trainable_variables()[1])[0]]
        if options.get("alignment_history"):
            result.append(final.alignment_history.stack())
        return result

    return build


show("plain", decode("none", "train"))
show("luong", decode("luong", "train", attention_layer_size=5, scale=True))
show("normed", decode("normed", "train", attention_layer_size=5, alignment_history=True))
show("bahdanau", decode("bahdanau", "greedy", output_attention=False))
show("plain beam", decode("none", "beam"))
show("beam", decode("luong", "beam", attention_layer_size=5,
                    length_penalty_weight=0.7))
show("beam coverage", decode("bahdanau", "beam", length_penalty_weight=0.5,
                             coverage_penalty_weight=0.3))
