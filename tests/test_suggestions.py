"""parity --suggest: the change that mends the candidate's line, and nothing that is not known."""

import pytest

from compare.parity import suggestions

CONSTANT = "The gradients agree, but the optimizer's constants differ: Adam/{}."
FORWARD = "The step's data and the weights agree, but the losses do not (1 and 2): the forward pass"
CLIP = "The gradients agree, but they are clipped differently: by the global norm, here to 0.5 "
CLIP += "times (clip_by_global_norm, global_clipnorm) / {}."
NORM = "each by its own norm (clip_by_norm, clipnorm)"
AVERAGES = "Only moving averages differ, and each moves {} times as far in the candidate: the "
ORDER = "The step's data differ: 0 holds the same {} in another order."
GRU = "x: only GRU(reset_after=False) can equal it."
CLIPPED = "grads, _ = tf.clip_by_global_norm(grads, 5.0)"


@pytest.fixture
def suggest(tmp_path):
    """Returns a function that suggests a new line for a candidate's file of one line."""

    def suggest(cause, ours, theirs, types=("", "")):
        path = tmp_path / f"new_{len(list(tmp_path.iterdir()))}.py"
        path.write_text(f"    {theirs}\n")
        side = {"place": "old.py:1", "text": ours, "operation": types[0], "shape": None}
        other = {"place": f"{path}:1", "text": theirs, "operation": types[1], "shape": None}
        report = {"causes": [cause], "located": {"reference": side, "candidate": other}}
        found = suggestions.suggest(report)
        if found is None:
            return None
        assert found.old == f"    {theirs}" and found.new.startswith("    ")
        return found.new.strip()

    return suggest


@pytest.mark.parametrize(
    ("value", "theirs", "new"),
    [
        ("beta2 0.999 / 0.99", "keras.optimizers.Adam(r, beta_2=0.99)", "Adam(r, beta_2=0.999)"),
        ("epsilon 1e-08 / 1e-07", "o = keras.optimizers.Adam(r)", "Adam(r, epsilon=1e-08)"),
        ("learning_rate 0.01 / 0.1", "o = optimizers.Adam(0.1)", "optimizers.Adam(0.01)"),
        ("learning_rate 0.01 / 0.1", "optimizers.Adam(learning_rate=1e-1)", "learning_rate=0.01)"),
        ("weight_decay none / 0.004", "optimizers.Adam(r, weight_decay=0.004)", "Adam(r)"),
        ("beta2 0.999 / 0.99", "o = keras.optimizers.Adam(r, **settings)", None),
        ("beta2 0.999 / 0.99", "o = keras.optimizers.Adam(r, beta_2=b)", None),
        ("beta2 0.999 / 0.99", "o = keras.optimizers.Adam(r,", None),
        ("beta2 0.9 / 0.8, Adam/epsilon 1e-08 / 1e-07", "o = optimizers.Adam(r, beta_2=b)", None),
        (
            "beta2 0.9 / 0.999, Adam/epsilon 1e-08 / 1e-07",
            "o = keras.optimizers.Adam(r)",
            "Adam(r, beta_2=0.9, epsilon=1e-08)",
        ),
        ("learning_rate 0.01 / 0.1", "o = optimizers.Adam(rate)", None),
        ("learning_rate 0.01 / 0.1. It agreed before step 4", "o = optimizers.Adam(0.1)", None),
    ],
)
def test_constants(suggest, value, theirs, new):
    found = suggest(CONSTANT.format(value), "", theirs)
    assert found is None if new is None else found.endswith(new)


@pytest.mark.parametrize(
    ("how", "theirs", "new"),
    [
        ("not clipped", "o = keras.optimizers.SGD(r)", "SGD(r, global_clipnorm=5.0)"),
        (NORM, "keras.optimizers.SGD(r, clipnorm=5.0)", "SGD(r, global_clipnorm=5.0)"),
        (NORM, "o = keras.optimizers.SGD(r)", None),
    ],
)
def test_clipping(suggest, how, theirs, new):
    found = suggest(CLIP.format(how), CLIPPED, theirs)
    assert found is None if new is None else found.endswith(new)
    assert (
        suggest(CLIP.format(how), "grads, _ = tf.clip_by_global_norm(grads, most)", theirs) is None
    )


@pytest.mark.parametrize(
    ("times", "theirs", "new"),
    [
        ("0.1", "layers.BatchNormalization(),", "layers.BatchNormalization(momentum=0.9),"),
        ("10", "BatchNormalization(momentum=0.9)(h)", "BatchNormalization(momentum=0.99)(h)"),
        ("10", "BatchNormalization(momentum=m)(h)", None),
        ("10", "model = network()", None),
    ],
)
def test_momentum_of_batch_norm(suggest, times, theirs, new):
    assert suggest(AVERAGES.format(times), "", theirs) == new


@pytest.mark.parametrize(
    ("ours", "theirs", "types", "new"),
    [
        ("", "layers.AveragePooling2D(2),", "MaxPool AvgPool", "layers.MaxPooling2D(2),"),
        ("", "h = tf.nn.max_pool2d(h, 2, 2, 'SAME')", "AvgPool MaxPool", "h = tf.nn.avg_pool2d("),
        ("", 'Conv2D(8, 3, activation="tanh"),', "Relu Tanh", 'Conv2D(8, 3, activation="relu"),'),
        ("", "h = tf.nn.elu(h)", "Relu Elu", "h = tf.nn.relu(h)"),
        ("", "layers.ReLU(),", "LeakyRelu Relu", None),  # its slope is not known
        ("", "h = tf.nn.elu(h) if deep else tf.nn.relu(h)", "Relu Elu", None),
        ("", "h = activate(h)", "Relu Elu", None),
        ("h = tf.nn.dropout(h, 0.8)", "layers.Dropout(0.8),", "Mul Mul", "layers.Dropout(0.2),"),
        ("h = tf.nn.dropout(h, 0.5)", "layers.Dropout(0.5),", "Mul Mul", None),
        ("h = tf.nn.dropout(h, keep)", "layers.Dropout(0.8),", "Mul Mul", None),
        (
            'tf.nn.conv2d(h, W, s, "SAME")',
            "Conv2D(8, 3, padding='valid'),",
            "Conv2D Conv2D",
            "'same'",
        ),
        ("tf.nn.conv2d(h, W, s, p)", "Conv2D(8, 3, padding='valid'),", "Conv2D Conv2D", None),
        (
            "h = tf.layers.batch_normalization(h, epsilon=1e-5)",
            "layers.BatchNormalization(),",
            "AddV2 AddV2",
            "layers.BatchNormalization(epsilon=1e-5),",
        ),
        (
            "h = tf.layers.batch_normalization(h)",
            "layers.BatchNormalization(epsilon=1e-5),",
            "AddV2 AddV2",
            "layers.BatchNormalization(epsilon=0.001),",
        ),
        (
            "h = tf.layers.batch_normalization(h, epsilon=e)",
            "layers.BatchNormalization(),",
            "AddV2 AddV2",
            None,
        ),
    ],
)
def test_the_forward_pass(suggest, ours, theirs, types, new):
    found = suggest(FORWARD, ours, theirs, types.split())
    assert found is None if new is None else new in found


def test_the_data_and_gru(suggest):
    examples, axes = ORDER.format("examples"), ORDER.format("numbers with its axes")
    assert suggest(examples, "", "model.fit(x, y)") == "model.fit(x, y, shuffle=False)"
    assert suggest(examples, "", "model.fit(x, y, shuffle=True)").endswith("shuffle=False)")
    assert suggest(examples, "", "step(x, y)") is None
    assert suggest(axes, "", "model.fit(x, y)") is None
    assert suggest(GRU, "", "h = layers.GRU(20)(h)") == "h = layers.GRU(20, reset_after=False)(h)"


def test_what_is_printed():
    assert suggestions.shown(None) == ["--suggest: no change is known that surely mends this"]
    found = {"place": "/a/new.py:7", "old": "x = 1", "new": "x = 2"}
    assert suggestions.shown(found) == ["--- /a/new.py", "@@ line 7 @@", "-x = 1", "+x = 2"]
    assert suggestions.suggest({"verdict": "bit-identical"}) is None
