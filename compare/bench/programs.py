"""The command lines of the programs that are measured."""

import os
import sys
from dataclasses import dataclass

from compare.runner import ROOT, STYLES

PRECISIONS = ("float32", "bfloat16")
# Steps between two printed lines; they take a third of a second to a second and a half. The
# perceptron and the gradients of tape_basics have no steps to measure.
MODELS = {
    "mnist_softmax": 500,
    "mnist_naive": 100,
    "mnist_pipeline": 300,  # twice this is an epoch, the first of which fills the pipeline's cache
    "mnist_mlp": 200,
    "mnist_deep": 50,
    "mnist_convnet": 20,
    "mnist_inception": 20,
    "mnist_separable": 20,
    "mnist_gan": 200,
    "same_digit": 20,
    "stories_qa": 20,
    "reviews_conv1d": 50,
    "posts_profile": 5,
    "stereo_xception": 2,
}
# Measured also with other settings, in bfloat16, on TensorFlow 1.15.5, and beside the limit.
WITH_PEERS = ("mnist_softmax", "mnist_deep")
WITH_LSTM = ("same_digit", "stories_qa")
IN_BFLOAT16 = ("mnist_softmax", "mnist_mlp", "mnist_deep", "mnist_convnet")
# Programs with flags of their own; they print a line every 100 steps, and use a GPU if they can.
SIMPLE = {"mnist_naive": ["--epochs=1000000"]}
ONE_STEP_PER_CALL = ("mnist_naive", "mnist_gan", "mnist_pipeline")  # they refuse more
WITH_OWN_DATASET = ("stories_qa", "reviews_conv1d", "posts_profile")
IMPORT = "import tensorflow"
FAST = "--steps_per_call=100"
SPARSE = "--optimizer=rmsprop"  # stories_qa makes gradients of embeddings dense, as Keras does
KERAS_FIT = "Keras, fit"
LIMIT = "the machine's limit"
LEGACY = "TensorFlow 1.15.5"
OLD = "an old program, tf1_style.run"
OLD_LEGACY = "an old program, TensorFlow 1.15.5"
_LEGACY_PYTHON = ROOT / ".venv-tf115" / "bin" / "python"
_NO_JIT = "jit_compile=False"
_PEERS = {
    KERAS_FIT: ["keras_mnist.py", "--way=fit"],
    f"{KERAS_FIT}, {_NO_JIT}": ["keras_mnist.py", "--way=fit", "--nojit_compile"],
    f"{KERAS_FIT}, steps_per_execution": ["keras_mnist.py", "--way=steps_per_execution"],
    f"{KERAS_FIT}, steps_per_execution, {_NO_JIT}": [
        *("keras_mnist.py", "--way=steps_per_execution", "--nojit_compile")
    ],
    "Keras's optimizer in a tf.function": ["keras_mnist.py", "--way=tf_function"],
    "PyTorch": ["torch_mnist.py", "--way=default"],
    "PyTorch, fused, channels_last": ["torch_mnist.py", "--way=fused"],
    "PyTorch, fused, channels_last, compiled": ["torch_mnist.py", "--way=compiled"],
    LIMIT: ["limit.py"],
}
_AUTOCAST = {"PyTorch, fused, channels_last, autocast": ["torch_mnist.py", "--way=bfloat16"]}
_CAUSES = {
    "mnist_softmax": {
        "tf.function, arrays": ["calls.py", "--way=arrays"],
        "tf.function, tensors": ["calls.py", "--way=tensors"],
        "concrete function, tensors": ["calls.py", "--way=concrete"],
        "concrete function, tensors, XLA": ["calls.py", "--way=concrete_xla"],
        "concrete function, indices": ["calls.py", "--way=indices"],
        "tf.function, another Python number each step": ["calls.py", "--way=retraced"],
        "without tf.function": ["calls.py", "--way=eager"],
        "Session.run, feed_dict": ["calls.py", "--way=feed_dict"],
        "Session.make_callable": ["calls.py", "--way=make_callable"],
    },
    "mnist_deep": {
        "Keras, fit": ["keras_mnist.py", "--way=fit"],
        "Keras, fit, jit_compile=False": ["keras_mnist.py", "--way=fit", "--nojit_compile"],
        "only dy W', the gradient of fc1's input": ["calls.py", "--way=product"],
        "only (W dy')'": ["calls.py", "--way=product_transposed"],
    },
}
_SLOW = {"tf.function, another Python number each step": 10, "without tf.function": 100}
_SETTINGS = {
    "": [""],
    " --threads=1": ["", "--threads=1"],
    " without oneDNN": ["TF_ENABLE_ONEDNN_OPTS=0"],
    " --steps_per_call=10": ["", "--steps_per_call=10"],
    " --steps_per_call=100": ["", FAST],
}
_QUICK = (*STYLES, "Keras, fit", "PyTorch, fused, channels_last", LIMIT)


@dataclass(frozen=True)
class Entrant:
    """One program that takes part, on one model.

    Attributes
    ----------
    name : its name, such as "tf1_style", "tf1_style --steps_per_call=100" or "Keras, fit".
    every : steps between two of its printed lines.
    is_ours : whether it is a program of the project, on TensorFlow 2.
    """

    model: str
    precision: str
    name: str
    command: list[str]
    every: int
    is_ours: bool = False


def rows(model: str, precision: str, arguments, directory: str) -> list[Entrant]:
    """Returns the programs that take turns, for a model in a precision.

    Parameters
    ----------
    arguments : the parsed command line.
    directory : the folder for the run folders.
    """
    found = []
    for style in STYLES:
        for flags in _ways(model):
            own = [f"--precision={precision}", *flags]
            run_dir = os.path.join(directory, f"{model}-{precision}-{len(found)}")
            # A line ends a call of many steps.
            every = max(100, MODELS[model]) if FAST in flags else MODELS[model]
            command = twin(style, model, arguments, run_dir, every, *own)
            name = " ".join([style, *flags])
            found.append(Entrant(model, precision, name, command, every, is_ours=True))
    peers = _PEERS if precision == "float32" else _AUTOCAST if model in WITH_PEERS else {}
    for name, (script, *flags) in peers.items():
        if name == LIMIT and model not in WITH_PEERS:
            continue
        if name == "Keras's optimizer in a tf.function" and model == "mnist_gan":
            continue  # its two optimizers are in its `train_step`
        command = _peer(script, *flags, model=model, arguments=arguments)
        # The limit prints one measurement a line, without steps in between.
        every = 0 if name == LIMIT else MODELS[model]
        found.append(Entrant(model, precision, name, command, every))
    if model in WITH_PEERS and precision == "float32":
        run_dir = os.path.join(directory, f"{model}-legacy")
        command = twin(STYLES[0], model, arguments, run_dir, MODELS[model])
        command = [str(_LEGACY_PYTHON), *command[1:]]
        found.append(Entrant(model, precision, LEGACY, command, MODELS[model]))
    if (model, precision, arguments.dataset) == ("mnist_deep", "float32", "mnist"):
        found += _old_program(model, precision, arguments, directory)
    if arguments.quick:  # the softmax is fast: measure both of its paths
        found = [r for r in found if r.name in _QUICK or (r.is_ours and model == "mnist_softmax")]
    return found


def _ways(model: str) -> list[list[str]]:
    """Returns the flags of each way in which a program of the project takes part."""
    # A hundred steps shall take seconds, not more.
    many = model not in ONE_STEP_PER_CALL and MODELS[model] >= 20
    return [[], *([[FAST]] if many else []), *([[SPARSE]] if model == "stories_qa" else [])]


def causes(model: str, arguments, directory: str) -> list[Entrant]:
    """Returns the programs of docs/speed.md, each of which differs in one thing."""
    found = []
    for name, (script, *flags) in _CAUSES[model].items():
        every = _SLOW.get(name, MODELS[model])
        command = _peer(script, *flags, model=model, arguments=arguments, every=every)
        found.append(Entrant(model, "float32", name, command, every))
    for name, (variables, *flags) in _SETTINGS.items():
        run_dir = os.path.join(directory, f"{model}-{len(found)}")
        every = max(100, MODELS[model]) if FAST in flags else MODELS[model]
        command = twin(STYLES[1], model, arguments, run_dir, every, *flags)
        command = ["/usr/bin/env", *variables.split(), *command]
        found.append(Entrant(model, "float32", f"{STYLES[1]}{name}", command, every, is_ours=True))
    return found


def _old_program(model: str, precision: str, arguments, directory: str) -> list[Entrant]:
    """Returns the same old program on today's TensorFlow and on its own."""
    script = str(ROOT / "compare" / "bench" / "peers" / "old_deep.py")
    data_dir = arguments.data_dir or os.path.join(directory, "MNIST_data")
    command = [script, f"--data_dir={data_dir}", f"--eval_every={MODELS[model]}"]
    runner = ["/usr/bin/env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "tf1_style.run"]
    return [
        Entrant(model, precision, OLD, [*runner, *command], MODELS[model], is_ours=True),
        Entrant(model, precision, OLD_LEGACY, [str(_LEGACY_PYTHON), *command], MODELS[model]),
    ]


def recorded(style: str, arguments, directory: str, options: list[str]) -> list[str]:
    """Returns the command line of a program that parity records: an old one, or one with Keras.

    Parameters
    ----------
    options : of the recording; with none the program runs as it is.
    """
    if style == STYLES[0]:
        (entrant, _) = _old_program("mnist_deep", "float32", arguments, directory)
        command = entrant.command
    else:
        script = "keras_mnist.py", "--way=tf_function"
        command = _peer(*script, model="mnist_deep", arguments=arguments)
    if not options:
        return command
    program = next(n for n, word in enumerate(command) if word.endswith(".py"))
    runner = [sys.executable, "-m", f"{style}.run", *options]
    return ["/usr/bin/env", f"PYTHONPATH={ROOT}", *runner, *command[program:]]


def _peer(script: str, *flags: str, model: str, arguments, every: int | None = None) -> list[str]:
    command = [sys.executable, str(ROOT / "compare" / "bench" / "peers" / script), *flags]
    every = every or MODELS[model]
    command += [f"--model={model}", f"--dataset={arguments.dataset}", f"--eval_every={every}"]
    return [*command, *_data_dir(arguments), *_device(arguments)]


def twin(style: str, model: str, arguments, run_dir: str, every: int, *flags: str) -> list[str]:
    """Returns the command line of a program that trains without end and does nothing else."""
    command = [sys.executable, str(ROOT / style / f"{model}.py"), *data(arguments, model)]
    command += ["--max_steps=1000000"]
    if model in SIMPLE:
        return [*command, *SIMPLE[model]]
    command += ["--nolog", "--save_every=0", f"--run_dir={run_dir}", f"--eval_every={every}"]
    return [*command, *flags]


def data(arguments, model: str) -> list[str]:
    """Returns the flags that name a program's dataset and device."""
    dataset = [] if model in WITH_OWN_DATASET else [f"--dataset={arguments.dataset}"]
    device = [] if model in SIMPLE else _device(arguments)
    return [*dataset, *_data_dir(arguments), *device]


def _data_dir(arguments) -> list[str]:
    return [f"--data_dir={arguments.data_dir}"] if arguments.data_dir else []


def _device(arguments) -> list[str]:
    return [f"--device={arguments.device}"] if arguments.device else []
