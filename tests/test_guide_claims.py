"""TensorFlow says and does what the migration guide says that it says and does."""

import contextlib
import importlib
import re
import runpy
import types

import numpy as np
import pytest

from compare import guide
from shared.console import quiet_import

with quiet_import(needs_keras=True):
    import keras
    import tensorflow as tf

v1, nn = tf.compat.v1, tf.nn
GUIDE = " ".join(" ".join(entry.text for entry in guide.entries()).split())
LOGITS, LABELS = tf.constant([[2.0, 1.0, 0.0]]), tf.constant([[1.0, 0.0, 0.0]])
IMAGE, FILTERS = tf.ones([1, 4, 4, 1]), tf.ones([2, 2, 1, 1])
VARIABLE = tf.Variable(1.0)

# What the guide quotes, and what makes TensorFlow say it: a name that is gone,
NAMES = {
    "No module named 'tensorflow.examples'": lambda: importlib.import_module(
        "tensorflow.examples.tutorials.mnist"
    ),
    "No module named 'tensorflow.contrib'": lambda: importlib.import_module("tensorflow.contrib"),
    "module 'tensorflow' has no attribute 'placeholder'": lambda: tf.placeholder,
    "module 'tensorflow' has no attribute 'contrib'": lambda: tf.contrib,
    "module 'tensorflow' has no attribute 'log'": lambda: tf.log,
    "module 'tensorflow.compat.v1' has no attribute 'contrib'": lambda: (
        importlib.import_module("tensorflow.compat.v1").contrib
    ),
    "module 'tensorflow._api.v2.train' has no attribute 'AdamOptimizer'": lambda: (
        tf.train.AdamOptimizer
    ),
    "module 'tensorflow._api.v2.train' has no attribute 'exponential_decay'": lambda: (
        tf.train.exponential_decay
    ),
    "`dense` is not available with Keras 3.": lambda: v1.layers.dense(LOGITS, 3),
    "'Adam' object has no attribute 'minimize'": lambda: keras.optimizers.Adam().minimize,
}

# an argument that has another name or place,
ARGUMENTS = {
    "Got an unexpected keyword argument 'keep_prob'": lambda: nn.dropout(IMAGE, keep_prob=0.8),
    "`rate` must be a scalar tensor or a float in the range [0, 1)": lambda: nn.dropout(IMAGE, 1.0),
    "`labels.shape.rank` must equal `logits.shape.rank - 1`": lambda: (
        nn.sparse_softmax_cross_entropy_with_logits(LOGITS, [0])
    ),
    "Got an unexpected keyword argument 'dimension'": lambda: tf.argmax(LOGITS, dimension=1),
    "Got an unexpected keyword argument 'reduction_indices'": lambda: tf.reduce_sum(
        LOGITS, reduction_indices=1
    ),
    "Got an unexpected keyword argument 'dim'": lambda: nn.softmax(LOGITS, dim=1),
    "Got an unexpected keyword argument 'filter'": lambda: nn.conv2d(IMAGE, filter=FILTERS),
    "'bool' object has no attribute 'startswith'": lambda: nn.conv2d(
        IMAGE, FILTERS, [1, 1, 1, 1], "SAME", True
    ),
    "Got an unexpected keyword argument 'value'": lambda: nn.max_pool(value=IMAGE),
    "Expected int for argument 'strides' not 'S'.": lambda: nn.convolution(IMAGE, FILTERS, "SAME"),
    "Value for attr 'T' of float is not in the list of allowed values: int32, int64": lambda: (
        nn.in_top_k(LOGITS, [0], 1)
    ),
    "Expected DataType for argument 'out_type' not 'n'.": lambda: tf.shape(LOGITS, "n"),
    "Argument(s) not recognized: {'lr': 0.1}": lambda: keras.optimizers.Adam(lr=0.1),
    "Missing required positional argument": lambda: nn.conv2d(IMAGE, FILTERS, padding="SAME"),
    "CheckpointManager.__init__() missing 1 required positional argument: 'max_to_keep'": lambda: (
        tf.train.CheckpointManager(tf.train.Checkpoint(), "nowhere")
    ),
    "Value passed to parameter 'labels' has DataType float32 not in list of allowed values: int32, "
    "int64": lambda: fit_with(nn.sparse_softmax_cross_entropy_with_logits),
}


def fit_with(loss):
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(2)])
    model.compile("sgd", loss)
    model.fit(np.ones([4, 2]), np.zeros([4], np.int64), verbose=0)


def gradient_twice():
    with tf.GradientTape() as tape:
        loss = VARIABLE * VARIABLE
    return [tape.gradient(loss, VARIABLE) for _ in range(2)]


def gradient_through_numpy():
    x = tf.Variable([1.0, 2.0])
    with tf.GradientTape() as tape:
        y = np.square(x)
    tape.gradient(y, x)


def set_rate_of_schedule():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.01, 430, 0.6, staircase=True)
    keras.optimizers.SGD(schedule).learning_rate = 0.1


def step_without_gradient():
    keras.optimizers.SGD().apply_gradients([(None, VARIABLE)])


def add_to_attribute():
    holder = types.SimpleNamespace(global_step=tf.Variable(0))
    holder.global_step += 1


# what a graph does and eager execution does not, or the other way about.
EXECUTION = {
    "tf.placeholder() is not compatible with eager execution.": lambda: v1.placeholder("int32"),
    "Intra op parallelism cannot be modified after initialization.": lambda: (
        tf.config.threading.set_intra_op_parallelism_threads(3)
    ),
    "eval is not supported when eager execution is enabled, is .numpy() what you're looking "
    "for?": lambda: LOGITS.eval(),
    "No default session is registered.": lambda: tf.function(lambda x: x.eval())(LOGITS),
    "'SymbolicTensor' object has no attribute 'numpy'": lambda: tf.function(lambda x: x.numpy())(
        LOGITS
    ),
    "tf.function only supports singleton tf.Variables created on the first call.": lambda: (
        tf.function(lambda: tf.Variable(1.0) + 1.0)()
    ),
    "Can not cast TensorSpec(shape=(2, 4)": lambda: tf.function(
        lambda x: x, input_signature=[tf.TensorSpec([None, 3])]
    )(np.zeros([2, 4], np.float32)),
    "`Checkpoint` was expecting model to be a trackable object": lambda: tf.train.Checkpoint(
        model=object()
    ),
    "No gradients provided for any variable.": step_without_gradient,
    "A non-persistent GradientTape can only be used to compute one set of gradients (or "
    "jacobians)": gradient_twice,
    "'numpy.ndarray' object has no attribute '_id'": gradient_through_numpy,
    "This optimizer was created with a `LearningRateSchedule` object as its `learning_rate` "
    "constructor argument": set_rate_of_schedule,
    "tf.gradients is not supported when eager execution is enabled. Use tf.GradientTape "
    "instead.": lambda: tf.gradients(LABELS, [LOGITS]),
    "`variable += value` with `tf.Variable`s is not supported.": add_to_attribute,
    "v1.summary.FileWriter is not compatible with eager execution.": lambda: v1.summary.FileWriter(
        "nowhere"
    ),
    "Merging tf.summary.* ops is not compatible with eager execution.": v1.summary.merge_all,
    "`var_list` must specify a list or dict of variables to save": v1.train.Saver,
}
ERRORS = {**NAMES, **ARGUMENTS, **EXECUTION}


@pytest.mark.parametrize("message", ERRORS)
def test_tensorflow_says_what_the_guide_quotes(message):
    assert message in GUIDE
    with pytest.raises(Exception, match=re.escape(message)):
        ERRORS[message]()


def test_losses_that_are_wrong_in_silence():
    loss = nn.softmax_cross_entropy_with_logits(labels=LABELS, logits=LOGITS)
    swapped = nn.softmax_cross_entropy_with_logits(LOGITS, LABELS)
    of_probabilities = keras.losses.CategoricalCrossentropy()(LABELS, LOGITS)
    np.testing.assert_allclose([loss[0], swapped[0], of_probabilities], [0.408, 2.654, 0.405], 2e-3)


def test_dropout_that_is_wrong_in_silence():
    ones = tf.ones([100000])
    assert 0.19 < np.mean(nn.dropout(ones, 0.8) > 0) < 0.21
    assert not np.any(nn.dropout(ones, tf.constant(1.0)))
    assert np.all(keras.layers.Dropout(0.5)(ones) == 1)


def test_what_else_is_silent():
    assert not tf.summary.scalar("loss", 1.0, step=0)
    assert keras.regularizers.L2(0.1)(tf.constant([1.0, 2.0])) == 0.5
    assert nn.moments(IMAGE, [3], None, "a name")[0].shape == IMAGE.shape
    matrix = tf.constant([[1, 2], [3, 4]])
    old, new = (where([True, False], matrix, -matrix) for where in (v1.where, tf.where))
    assert old.numpy().tolist() == [[1, 2], [-3, -4]]
    assert new.numpy().tolist() == [[1, -2], [3, -4]]


def test_figures():
    drawn = tf.random.stateless_truncated_normal([1], [0, 1], stddev=0.1)
    assert drawn.numpy().tobytes().hex() == "ed13f73d"  # 0.12064347, as in TensorFlow 1.15.5
    pixels = np.arange(256, dtype=np.float32)
    assert np.sum(pixels / 255 != pixels * np.float32(1 / 255)) == 126


@pytest.mark.parametrize(
    ("numbers", "graphs"),
    [((0.1, 0.2, 0.3, 0.4, 0.5), 5), (np.float32([0.1, 0.2, 0.3, 0.4, 0.5]), 1)],
)
def test_python_numbers_trace_anew(numbers, graphs):
    function = tf.function(lambda x, keep_prob: x * keep_prob)
    for number in numbers:
        function(LOGITS, number)
    assert function.experimental_get_tracing_count() == graphs


def test_a_rate_that_is_an_attribute_is_frozen_but_not_that_of_keras():
    w = tf.Variable(1.0)
    holder = types.SimpleNamespace(learning_rate=0.1)
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build([w])
    frozen = tf.function(lambda: w.assign_sub(tf.constant(1.0) * holder.learning_rate))
    free = tf.function(lambda: optimizer.apply([tf.constant(1.0)]))
    for owner, step, second in ((holder, frozen, 0.1), (optimizer, free, 0.5)):
        w.assign(1.0)
        step()
        owner.learning_rate = 0.5
        step()
        assert w.numpy() == pytest.approx(1 - 0.1 - second)


def test_a_decay_without_its_step_never_begins():
    with tf.Graph().as_default(), v1.Session() as session:
        step = v1.train.create_global_step()
        rate = v1.train.exponential_decay(0.1, step, 1, 0.5)
        train_op = v1.train.GradientDescentOptimizer(rate).minimize(v1.Variable(1.0))
        session.run(v1.global_variables_initializer())
        for _ in range(3):
            session.run(train_op)
        assert session.run(rate) == np.float32(0.1)


def test_a_checkpoint_brings_its_rate_back(tmp_path):
    optimizers = [keras.optimizers.Adam(rate) for rate in (0.1, 0.5)]
    for optimizer in optimizers:
        optimizer.build([VARIABLE])
    path = tf.train.Checkpoint(optimizer=optimizers[0]).write(str(tmp_path / "model"))
    tf.train.Checkpoint(optimizer=optimizers[1]).read(path)
    assert float(optimizers[1].learning_rate) == np.float32(0.1)


def test_what_a_tape_does_not_see():
    fixed = tf.Variable(3.0, trainable=False)
    for x in (tf.constant(3.0), fixed, tf.Variable(3), VARIABLE + 1):
        with tf.GradientTape() as tape:
            y = x * x
        assert tape.gradient(y, x) is None
    with tf.Graph().as_default():
        fixed = v1.Variable(3.0, trainable=False)
        assert v1.gradients(fixed * fixed, fixed) != [None]


def test_gradients_are_those_of_the_sum():
    x = tf.Variable([1.0, 2.0])
    with tf.GradientTape(persistent=True) as tape:
        y = x * x
    assert tape.gradient(y, x).numpy().tolist() == [2, 4]
    assert tape.jacobian(y, x).numpy().tolist() == [[2, 0], [0, 4]]


def test_when_batch_norm_of_keras_moves_its_averages():
    h, layer = tf.constant([[1.0], [3.0]]), keras.layers.BatchNormalization()
    layer(h)
    assert layer.moving_mean.numpy() == 0
    layer(h, training=True)
    moved = layer.moving_mean.numpy()
    assert moved == pytest.approx(0.02)
    layer.trainable = False
    layer(h, training=True)
    assert layer.moving_mean.numpy() == moved


def test_variance_is_divided_by_n_or_by_one_less(tmp_path):
    h, layer = tf.constant([1.0, 3.0], shape=[2, 1, 1, 1]), keras.layers.BatchNormalization()
    layer(h, training=True)
    assert layer.moving_variance.numpy() == pytest.approx(0.99 * 1 + 0.01 * 1)
    assert v1.nn.fused_batch_norm(h, [1.0], [0.0])[2].numpy() == pytest.approx(2)
    (entry,) = [entry for entry in guide.entries() if entry.title == "Batch norm"]
    (block,) = [t.content for t in entry.tokens if t.content.startswith("class BatchNorm(keras")]
    (tmp_path / "layer.py").write_text(block)
    names = runpy.run_path(str(tmp_path / "layer.py"), {"keras": keras, "tf": tf})
    fused = names["BatchNorm"](momentum=0.9)
    np.testing.assert_allclose(fused(h, training=True), layer(h, training=True), rtol=1e-3)
    assert fused.moving_mean.numpy() == pytest.approx(0.1 * 2)
    assert fused.moving_variance.numpy() == pytest.approx(0.9 * 1 + 0.1 * 2)


def test_a_module_opens_its_scope_nowhere_by_itself():
    class Conv(tf.Module):
        def __init__(self):
            super().__init__(name="conv1")
            self.outside = tf.Variable(0.0, name="W")
            with self.name_scope:
                self.inside = tf.Variable(0.0, name="W")

    assert (Conv().outside.name, Conv().inside.name) == ("W:0", "conv1/W:0")


def epochs(callbacks, losses):
    """The rates of the epochs that Keras's callbacks let pass, with these losses."""
    model, rates = types.SimpleNamespace(optimizer=keras.optimizers.SGD(1.0)), []
    model.stop_training = False
    for callback in callbacks:
        callback.set_model(model)
        callback.on_train_begin()
    for epoch, loss in enumerate(losses):
        for callback in callbacks:
            callback.on_epoch_begin(epoch)
        rates.append(float(model.optimizer.learning_rate))
        for callback in callbacks:
            callback.on_epoch_end(epoch, {"val_loss": loss})
        if model.stop_training:
            break
    return rates


def test_callbacks_that_surprise():
    assert len(epochs([keras.callbacks.EarlyStopping()], [1, 1, 0])) == 2
    patient = keras.callbacks.EarlyStopping(patience=3)
    assert [len(epochs([patient], [1, 2, 3])) for _ in range(2)] == [3, 3]
    plateau = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=1)
    assert epochs([plateau], [1, 1, 1]) == [1, 1, 0.5]
    assert epochs([plateau], [1, 1 - 5e-5, 0]) == [1, 1, 0.5]  # it takes 5e-5 for nothing
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: 1.0)
    assert epochs([scheduler, plateau], [1, 1, 1]) == [1, 1, 1]
    assert not keras.callbacks.ModelCheckpoint("best.keras").save_best_only


@pytest.mark.parametrize(("name", "value"), [("other", 0.0), ("W", 7.0)])
def test_a_saver_is_restored_by_names_or_in_silence_not_at_all(tmp_path, name, value):
    with tf.Graph().as_default(), v1.Session() as session:
        v1.Variable([7.0], name="W")
        session.run(v1.global_variables_initializer())
        path = v1.train.Saver().save(session, str(tmp_path / "model.ckpt"))
    variable = tf.Variable([0.0], name=name)
    status = tf.train.Checkpoint(model=variable).restore(path)
    assert variable.numpy() == [value]
    mismatch = pytest.raises(AssertionError, match="had attributes which were not restored")
    with contextlib.nullcontext() if value else mismatch:
        status.assert_consumed()


def test_pixels_of_resize():
    """images.md: the same image, other pixels."""
    image = tf.reshape(tf.range(16.0), [1, 4, 4, 1])
    assert tf.image.resize(image, [2, 2])[0, ..., 0].numpy().tolist() == [[2.5, 4.5], [10.5, 12.5]]
    old = v1.image.resize_bilinear(image, [2, 2])
    assert old[0, ..., 0].numpy().tolist() == [[0, 2], [8, 10]]


def test_weights_of_losses():
    """losses-and-metrics.md: what a weighted loss is divided by."""
    with tf.Graph().as_default(), v1.Session() as session:
        loss = v1.losses.mean_squared_error([0.0, 0.0], [2.0, 0.0], weights=[1.0, 0.0])
        assert session.run(loss) == 4
    keras_loss = keras.losses.MeanSquaredError()
    zeros, outputs = np.zeros([2, 1], np.float32), np.float32([[2], [0]])
    assert float(keras_loss(zeros, outputs, sample_weight=[1.0, 0.0])) == 2


def test_rows_of_a_list_of_embeddings():
    """variables.md: the same list, another row."""
    parts = [tf.constant([[0.0], [1.0]]), tf.constant([[2.0], [3.0]])]
    assert nn.embedding_lookup(parts, [1]).numpy() == 1
    assert v1.nn.embedding_lookup(parts, [1]).numpy() == 2


def test_a_partitioned_variable_is_saved_whole(tmp_path):
    with tf.Graph().as_default(), v1.Session() as session:
        partitioner = v1.fixed_size_partitioner(2)
        v1.get_variable("W", initializer=tf.ones([4, 2]), partitioner=partitioner)
        session.run(v1.global_variables_initializer())
        path = v1.train.Saver().save(session, str(tmp_path / "model.ckpt"))
    assert tf.train.list_variables(path) == [("W", [4, 2])]


def test_a_resource_variable_takes_any_shape_from_a_file(tmp_path):
    """errors.md: no error, and the variable has the shape of the file."""
    path = str(tmp_path / "model.ckpt")
    for size in (2, 3):
        with tf.Graph().as_default(), v1.Session() as session:
            w = v1.get_variable("w", [size], use_resource=True)
            saver = v1.train.Saver()
            if size == 2:
                session.run(v1.global_variables_initializer())
                saver.save(session, path)
            saver.restore(session, path)
            assert session.run(w).shape == (2,)


def test_orders_of_types_and_of_indices():
    with tf.Graph().as_default(), pytest.raises(ValueError, match="must have the same dtype as x"):
        v1.train.piecewise_constant(v1.placeholder(tf.int32, []), [100.0], [1.0, 2.0])
    unordered = tf.SparseTensor([[1, 2], [0, 1]], [7.0, 5.0], [2, 3])
    assert tf.sparse.sparse_dense_matmul(unordered, tf.ones([3, 1])).numpy().tolist() == [[5], [7]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="is out of order"):
        tf.sparse.to_dense(unordered)


def test_what_keras_adds_and_ignores():
    """A layer that is called twice has one penalty; a decay of the rate is ignored."""
    layer = keras.layers.Dense(1, kernel_regularizer=keras.regularizers.L2(0.1))
    assert [layer(np.ones([1, 2])) is not None, len(layer.losses)] == [True, 1]
    assert [layer(np.ones([1, 2])) is not None, len(layer.losses)] == [True, 1]
    with pytest.warns(UserWarning, match="Argument `decay` is no longer supported"):
        optimizer = keras.optimizers.SGD(0.1, decay=0.5)
    assert float(optimizer.learning_rate) == np.float32(0.1)


def test_an_initializer_that_is_kept_repeats_its_values():
    kept = keras.initializers.GlorotUniform()
    keras.utils.set_random_seed(0)
    first = kept([2, 2])
    keras.utils.set_random_seed(1)
    assert np.array_equal(first, kept([2, 2]))  # and it ignores both seeds
    new = []
    for seed in (0, 0, 1):
        keras.utils.set_random_seed(seed)
        new.append(keras.initializers.GlorotUniform()([2, 2]))
    assert np.array_equal(new[0], new[1]) and not np.array_equal(new[0], new[2])
    layers = [keras.layers.Dense(2, kernel_initializer=name) for name in ("he_normal",) * 2]
    for layer in layers:
        layer.build([None, 2])
    assert not np.array_equal(layers[0].kernel, layers[1].kernel)


def test_a_file_of_write_is_read_and_not_restored(tmp_path):
    path = tf.train.Checkpoint(v=VARIABLE).write(str(tmp_path / "start.ckpt"))
    tf.train.Checkpoint(v=VARIABLE).read(path).assert_consumed()
    with pytest.raises(AssertionError, match="1 Python objects(?s:.*)save_counter"):
        tf.train.Checkpoint(v=VARIABLE).restore(path).assert_consumed()
    path = tf.train.Checkpoint(v=VARIABLE).save(str(tmp_path / "saved"))
    tf.train.Checkpoint(v=VARIABLE).restore(path).assert_consumed()


@pytest.mark.parametrize("is_scoped", [True, False])
def test_a_module_scope_holds_the_updates_of_an_optimizer(is_scoped):
    class Momentum(tf.Module):
        def apply(self, variables):
            for v in variables:
                slot = tf.raw_ops.ResourceApplyMomentum
                slot(var=v.handle, accum=v.handle, lr=0.1, grad=v, momentum=0.9)

        scoped = tf.Module.with_name_scope(apply)

    optimizer, variables = Momentum(), [tf.Variable(1.0), tf.Variable(2.0)]
    apply = optimizer.scoped if is_scoped else optimizer.apply
    graph = tf.function(lambda: apply(variables)).get_concrete_function().graph
    names = [op.name for op in graph.get_operations() if op.type == "ResourceApplyMomentum"]
    expected = ["ResourceApplyMomentum", "ResourceApplyMomentum_1"]
    assert names == [f"{'momentum/' * is_scoped}{name}" for name in expected]


def test_fit_takes_batches_without_end():
    def batches():
        while True:
            yield np.ones([4, 2], np.float32), np.ones([4, 1], np.float32)

    spec = (tf.TensorSpec([None, 2], tf.float32), tf.TensorSpec([None, 1], tf.float32))
    dataset = tf.data.Dataset.from_generator(batches, output_signature=spec).prefetch(2)
    for examples in (batches(), dataset):
        model = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        history = model.fit(examples, steps_per_epoch=3, epochs=2, verbose=0)
        assert len(history.epoch) == 2 and model.optimizer.iterations == 6


def test_what_keras_2_has_instead_of_sessions():
    variable = keras.Variable(3.0)
    assert keras.ops.convert_to_numpy(variable) == 3
    a = keras.Input([2])
    assert np.array_equal(keras.Model(a, a * 2)(np.ones([1, 2])), [[2, 2]])
    has = ["matmul", "einsum", "transpose", "where", "mean", "sum", "square", "concatenate", "clip"]
    assert all(hasattr(keras.ops, name) for name in has)
    assert not hasattr(keras.backend, "variable") and hasattr(tf.keras.backend, "variable")
    assert keras.config.image_data_format() and keras.config.floatx()
    assert keras.random.normal([2]).shape == (2,)
