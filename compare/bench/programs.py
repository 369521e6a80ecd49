"""The command lines of the programs that are measured."""

import os
import sys
from dataclasses import dataclass

from compare.runner import ROOT, STYLES

PRECISIONS = ("float32", "bfloat16")
# Steps between two printed lines; they take a third of a second to a second and a half.
MODELS = {"mnist_softmax": 500, "mnist_mlp": 200, "mnist_deep": 50, "mnist_convnet": 20}
WITH_PEERS = ("mnist_softmax", "mnist_deep")
IMPORT = "import tensorflow"
FAST = "--steps_per_call=100"
LIMIT = "the machine's limit"
LEGACY = "TensorFlow 1.15.5"
OLD = "an old program, tf1_style.run"
OLD_LEGACY = "an old program, TensorFlow 1.15.5"
_LEGACY_PYTHON = ROOT / ".venv-tf115" / "bin" / "python"
_PEERS = {
    "Keras, fit": ["keras_mnist.py", "--way=fit"],
    "Keras, fit, steps_per_execution": ["keras_mnist.py", "--way=steps_per_execution"],
    "Keras's optimizer in a tf.function": ["keras_mnist.py", "--way=tf_function"],
    "PyTorch": ["torch_mnist.py", "--way=default"],
    "PyTorch, fused, channels_last": ["torch_mnist.py", "--way=fused"],
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
        for flags in ([], [FAST]):
            name = " ".join([style, *flags])
            own = [f"--precision={precision}", *flags]
            run_dir = os.path.join(directory, f"{model}-{precision}-{len(found)}")
            every = (
                max(100, MODELS[model]) if flags else MODELS[model]
            )  # a line ends a call of many steps
            command = twin(style, model, arguments, run_dir, every, *own)
            found.append(Entrant(model, precision, name, command, every, is_ours=True))
    if model in WITH_PEERS:
        peers = _PEERS if precision == "float32" else _AUTOCAST
        for name, (script, *flags) in peers.items():
            command = _peer(script, *flags, model=model, arguments=arguments)
            # The limit prints one measurement a line, without steps in between.
            every = 0 if name == LIMIT else MODELS[model]
            found.append(Entrant(model, precision, name, command, every))
        if precision == "float32":
            run_dir = os.path.join(directory, f"{model}-legacy")
            command = twin(STYLES[0], model, arguments, run_dir, MODELS[model])
            command = [str(_LEGACY_PYTHON), *command[1:]]
            found.append(Entrant(model, precision, LEGACY, command, MODELS[model]))
    if (model, precision, arguments.dataset) == ("mnist_deep", "float32", "mnist"):
        found += _old_program(model, precision, arguments, directory)
    if arguments.quick:  # the softmax is fast: measure both of its paths
        found = [r for r in found if r.name in _QUICK or (r.is_ours and model == "mnist_softmax")]
    return found


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
    return [*command, f"--model={model}", *data(arguments), f"--eval_every={every}"]


def twin(style: str, model: str, arguments, run_dir: str, every: int, *flags: str) -> list[str]:
    """Returns the command line of a program that trains without end and does nothing else."""
    command = [sys.executable, str(ROOT / style / f"{model}.py"), *data(arguments)]
    command += ["--nolog", "--save_every=0", "--max_steps=1000000", f"--run_dir={run_dir}"]
    return [*command, f"--eval_every={every}", *flags]


def data(arguments) -> list[str]:
    """Returns the flags that name the dataset."""
    data_dir = [f"--data_dir={arguments.data_dir}"] if arguments.data_dir else []
    return [f"--dataset={arguments.dataset}", *data_dir]
