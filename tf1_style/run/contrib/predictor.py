"""Stands for `tf.contrib.predictor`: functions of arrays, made of saved models and Estimators."""

import tensorflow.compat.v1 as tf


class Predictor:
    """Returns a dict of arrays for a dict of arrays, by the names of a signature."""

    def __init__(self, session, inputs, outputs):
        self.session = session
        self.graph = session.graph
        self.feed_tensors = self._tensors(inputs)
        self.fetch_tensors = self._tensors(outputs)

    def _tensors(self, names):
        return {key: self.graph.get_tensor_by_name(name) for key, name in names.items()}

    def __call__(self, input_dict):
        feed = {self.feed_tensors[key]: value for key, value in input_dict.items()}
        return self.session.run(self.fetch_tensors, feed)


def from_saved_model(
    export_dir,
    signature_def_key=None,
    signature_def=None,
    input_names=None,
    output_names=None,
    tags=None,
    graph=None,
    config=None,
):
    graph = graph or tf.Graph()
    with graph.as_default():
        session = tf.Session(graph=graph, config=config)
        tags = tags.split(",") if isinstance(tags, str) else tags
        meta = tf.saved_model.load(session, tags or [tf.saved_model.SERVING], export_dir)
    if input_names is None or output_names is None:
        signature = signature_def or meta.signature_def[signature_def_key or "serving_default"]
        input_names = {key: info.name for key, info in signature.inputs.items()}
        output_names = {key: info.name for key, info in signature.outputs.items()}
    return Predictor(session, input_names, output_names)


def from_estimator(estimator, serving_input_receiver_fn, output_key=None, graph=None, config=None):
    """Makes the graph of an Estimator's predictions, with its newest checkpoint."""
    graph = graph or tf.Graph()
    with graph.as_default():
        tf.train.create_global_step(graph)
        receiver = serving_input_receiver_fn()
        spec = estimator._call_model_fn(receiver.features, None, "infer", estimator.config)
        session = tf.train.MonitoredSession(
            tf.train.ChiefSessionCreator(
                spec.scaffold or tf.train.Scaffold(),
                config=config,
                checkpoint_filename_with_path=estimator.latest_checkpoint(),
            )
        )
    outputs = spec.export_outputs or {}
    outputs = outputs.get(output_key or "serving_default")
    outputs = spec.predictions if outputs is None else getattr(outputs, "outputs", spec.predictions)
    outputs = outputs if isinstance(outputs, dict) else {"output": outputs}
    inputs = receiver.receiver_tensors
    return Predictor(
        session,
        {key: tensor.name for key, tensor in inputs.items()},
        {key: tensor.name for key, tensor in outputs.items()},
    )
