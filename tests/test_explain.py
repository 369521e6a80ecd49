"""`compare explain`: from a message, a traceback or a symptom to the entry of the guide."""

import io
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from compare import entry_search, explain, guide
from shared.console import UserError

TITLES = {guide.slug(entry.title): entry.title for entry in guide.entries()}
TRACEBACK = """\
2026-11-26 20:30:48.100000: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.
Traceback (most recent call last):
  File "/home/me/old/train.py", line 57, in <module>
    main()
  File "/home/me/old/train.py", line 12, in main
    logits = model.build(x)
  File "/home/me/old/model.py", line 7, in build
    h = tf.layers.conv2d(x, 32, 5)
  File "/usr/lib/python3.11/site-packages/tensorflow/python/util/lazy_loader.py", line 207, in get
    raise AttributeError(
AttributeError: `conv2d` is not available with Keras 3.
"""


def symptoms():
    """Yields address, the slugs of the entries that answer it, and the words of each symptom."""
    blocks = (ROOT / "tests" / "symptoms.txt").read_text().split("\n\n")[2:]
    for block in blocks:
        address, titles, words = block.strip().splitlines()
        yield address, [guide.slug(title) for title in titles.split(" | ")], words


def best(text):
    found = explain.search(text)
    return guide.slug(found[0].title) if found else None


def test_the_symptoms_have_an_origin():
    found = list(symptoms())
    assert len(found) == 348
    for address, slugs, _ in found:
        year, origin = address.split(" ", 1)
        assert 2016 <= int(year) <= 2026
        assert origin.startswith("https://github.com/") or origin in (
            "TensorFlow 2.21",
            "own words",
        )
        assert set(slugs) <= TITLES.keys()
    assert all("github.com" in address for address, *_ in found[:50])
    assert sum("github.com" in address for address, *_ in found) >= 85


def test_symptoms_lead_to_the_right_entry():
    wrong = {words: best(words) for _, slugs, words in symptoms() if best(words) not in slugs}
    assert len(wrong) <= 10, wrong
    assert not [words for _, _, words in list(symptoms())[195:] if words in wrong]
    assert sum(words in wrong for _, _, words in list(symptoms())[:50]) <= 5


def fits(pattern, text):
    """Returns whether a message with "..." for any words is in a text, but for quotes and marks."""
    parts = [" ".join(re.findall(r"[\w.]*\w", part.lower())) for part in pattern.split("...")]
    text = " ".join(re.findall(r"[\w.]*\w", text.lower()))
    return re.search(".*".join(map(re.escape, parts)), text) is not None


def says(entry, message):
    """Returns whether an entry has a message: as its title, quoted, or in a table."""
    quotes = [entry.title, *entry_search.quotes(entry)]
    quotes += [token.content for token in entry.tokens if token.info == "text"]
    return bool(entry_search.replaced(entry, message)) or any(
        fits(quote, message) or fits(message, quote) for quote in quotes
    )


def links(entry, other):
    """Returns whether one of two entries has a link to the other."""
    pairs = ((entry, other), (other, entry))
    return any(f"#{guide.slug(to.title)})" in start.text for start, to in pairs)


def test_each_message_that_the_guide_quotes_leads_to_an_entry_that_has_it():
    """From the quote alone: to the entry, or to one that has the same message, or leads on."""
    quotes = [(entry, quote) for entry in guide.entries() for quote in entry_search.quotes(entry)]
    wrong = []
    for entry, quote in quotes:
        found = explain.search(explain.read(quote).message)[:1]
        if not found or not (found[0] == entry or says(found[0], quote) or links(found[0], entry)):
            wrong.append((entry.address, quote, found and found[0].address))
    assert not wrong, "\n".join(map(str, wrong))
    assert len(quotes) > 230


def explained(*words, stdin=""):
    """Runs the command; returns the process."""
    return subprocess.run(
        [sys.executable, "-m", "compare", "explain", *words],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )


JUPYTER = """\
---------------------------------------------------------------------------
AttributeError                            Traceback (most recent call last)
Cell In[15], line 2
      1 # Build the model
----> 2 model = tf.estimator.DNNClassifier(

File ~/x/lib/python3.11/site-packages/tensorflow/python/util/lazy.py:207, in get(x)
    205     raise
--> 207     raise AttributeError(

AttributeError: module 'tensorflow' has no attribute 'estimator'
"""
WINDOWS = r"""
Traceback (most recent call last):
  File "C:\old\train.py", line 5, in <module>
    import net
  File "C:\old\net.py", line 6, in <module>
    slim = tf.contrib.slim
AttributeError: module 'tensorflow' has no attribute 'contrib'
"""
AUTOGRAPH = """\
Traceback (most recent call last):
  File "/me/main.py", line 9, in <module>
    dataset = dataset.map(parse)
              ^^^^^^^^^^^^^^^^^^
  File "/x/lib/python3.11/site-packages/tensorflow/python/data/ops/dataset_ops.py", line 2, in map
    return map_op._map_v2(
  File "/tmp/__autograph_generated_file3kho3du2.py", line 10, in tf__parse
    features = ag__.converted_call(ag__.ld(tf).FixedLenFeature, ([],), None, fscope)
AttributeError: in user code:

    File "/me/data.py", line 5, in parse  *
        features = {"x": tf.FixedLenFeature([], tf.float32)}

    AttributeError: module 'tensorflow' has no attribute 'FixedLenFeature'
"""
GRAPH = """\
Traceback (most recent call last):
  File "/me/main.py", line 6, in <module>
    sess.run(p * 2)
  File "/x/lib/python3.11/site-packages/tensorflow/python/client/session.py", line 1426, in _do_call
    raise type(e)(node_def, op, message)
tensorflow.python.framework.errors_impl.InvalidArgumentError: Graph execution error:

Detected at node 'images' defined at (most recent call last):
    File "/me/model.py", line 5, in <module>
    File "/x/lib/python3.11/site-packages/tensorflow/python/ops/array.py", line 3, in placeholder
Node: 'images'
You must feed a value for placeholder tensor 'images' with dtype float and shape [?,2]
\t [[{{node images}}]]

Original stack trace for 'images':
  File "/me/model.py", line 5, in <module>
"""
PYTEST = """\
>       x = tf.to_float(1)
E       AttributeError: module 'tensorflow' has no attribute 'to_float'

a.py:4: AttributeError
"""
BAR = (
    " 10%|#  | 1/10 [00:01<00:09]\r 20%|## | 2/10 [00:02<00:08]\r"
    "\x1b[31mTraceback (most recent call last):\x1b[0m\n"
    '  File "a.py", line 3, in <module>\n'
    "    s = tf.Session()\n"
    "\x1b[1mAttributeError: module 'tensorflow' has no attribute 'Session'\x1b[0m\n"
)


@pytest.mark.parametrize(
    ("text", "place", "program", "headline", "slug"),
    [
        (
            *(JUPYTER, "Cell In[15]:2", "", "AttributeError: module 'tensorflow' has no"),
            "module-tensorflow-has-no-attribute-estimator",
        ),
        (
            *(WINDOWS, "net.py:6", r"C:\old\train.py", "AttributeError: module"),
            "module-tensorflow-has-no-attribute-contrib",
        ),
        (
            *(AUTOGRAPH, "data.py:5", "/me/main.py", "AttributeError: module 'tensorflow' has no"),
            "tflog-and-other-names-that-moved",
        ),
        (
            *(GRAPH, "main.py:6", "/me/main.py", "You must feed a value for placeholder"),
            "you-must-feed-a-value-for-placeholder-tensor",
        ),
        (PYTEST, "", "", "AttributeError: module", "tflog-and-other-names-that-moved"),
        (
            *(BAR, "a.py:3", "a.py", "AttributeError: module 'tensorflow' has no"),
            "module-tensorflow-has-no-attribute-session",
        ),
    ],
    ids=["jupyter", "windows", "autograph", "graph", "pytest", "progress"],
)
def test_every_kind_of_traceback_is_read(text, place, program, headline, slug):
    report = explain.read(explain.clean(text))
    assert (report.place, report.program) == (place, program)
    assert report.headline.startswith(headline)
    assert guide.slug(explain.search(report.message, report.code)[0].title) == slug


def test_a_traceback_is_read():
    report = explain.read(TRACEBACK)
    assert report.message == "AttributeError: `conv2d` is not available with Keras 3."
    assert (report.place, report.code) == ("model.py:7", "h = tf.layers.conv2d(x, 32, 5)")
    assert report.program == "/home/me/old/train.py"


def test_the_command_prints_the_entry_of_a_traceback():
    process = explained(stdin=TRACEBACK)
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    assert lines[0] == "model.py:7  h = tf.layers.conv2d(x, 32, 5)"
    assert "docs/migration/errors.md#conv2d-is-not-available-with-keras-3" in process.stdout
    assert "First aid: pip install tf_keras" in process.stdout
    assert lines[-1].endswith("unchanged: ./run_all.sh old /home/me/old/train.py")
    assert len(lines) < 30


@pytest.mark.parametrize(
    ("line", "is_offered"), [("x = tf.placeholder('float')", True), ("keras.Input([2])", False)]
)
def test_only_an_old_program_is_offered_to_run_as_it_is(tmp_path, line, is_offered):
    program = tmp_path / "program.py"
    program.write_text(f"{line}  # in TensorFlow 1: tf.placeholder\n")
    error = "TypeError: Argument(s) not recognized: {'lr': 0.1}"
    frame = f'  File "{program}", line 1, in <module>\n    {line}\n'
    process = explained(stdin=f"Traceback (most recent call last):\n{frame}{error}\n")
    assert process.returncode == 0, process.stderr
    assert ("./run_all.sh old" in process.stdout) == is_offered


@pytest.mark.parametrize(
    ("message", "row"),
    [
        ("TypeError: Trainer.fit() got an unexpected keyword argument 'nb_epoch'", "epochs="),
        ("AttributeError: 'SGD' object has no attribute 'lr'", "optimizer.learning_rate"),
        ("AttributeError: 'Net' object has no attribute 'reset_states'", "layer.reset_states()"),
        ("KeyError: 'val_acc'", 'metrics=["acc"] and'),
        ("cannot import name 'merge' from 'tensorflow.keras.layers'", "keras.layers.concatenate("),
        ("ValueError: Unrecognized keyword arguments passed to Dense: {'init': 'one'}", "kernel_"),
    ],
)
def test_what_is_there_instead_stands_first(message, row):
    lines = explained(message).stdout.splitlines()
    assert f" -> {row}" in lines[2], lines[:5]
    assert len(lines) < 60


def test_an_argument_in_a_file_is_not_one_of_the_program():
    message = "ValueError: Unrecognized keyword arguments passed to Dense: {'weights': 1}"
    found = [explain.search(message, code)[0].title for code in ("", "m = keras.load_model(p)")]
    assert "Dense" in found[0] and "DepthwiseConv2D" in found[1]


def test_the_old_losses_and_those_of_keras_say_the_same():
    message = "module 'keras._tf_keras.keras.losses' has no attribute 'mean_squared_error'"
    lines = ("tf.keras.losses.mean_squared_error(y, x)", "tf.losses.mean_squared_error(y, x)")
    found = [explain.search(message, code)[0].title for code in lines]
    assert found == [message.replace("keras._tf_keras.", ""), "tf.losses and get_total_loss"]


def test_the_other_entries_stand_before_the_long_one():
    lines = explained("Epochs, early stopping and the best checkpoint").stdout.splitlines()
    others = [number for number, line in enumerate(lines) if line.startswith("see also: ")]
    assert others and others[-1] < 6 and len(lines) > 20


def test_a_block_of_code_is_not_the_message():
    text = "ValueError: A KerasTensor cannot be used. You are doing this:\n\n```\nx = 1\n```\n"
    assert explain.read(text).headline.startswith("ValueError: A KerasTensor")
    assert explain.read("RuntimeError: Failed:\n```\nx\n").headline == "x"


def test_a_name_that_moved_has_its_new_name():
    process = explained("module 'tensorflow' has no attribute 'is_nan'")
    assert "tf.is_nan is now tf.math.is_nan" in process.stdout


def test_the_names_of_tensorflow_1_lead_to_an_entry():
    """All that TensorFlow's tables say to have moved, as TensorFlow says that they are missing."""
    names = [name for name in entry_search.renames() if re.fullmatch(r"tf(\.[a-z]\w*)?\.\w+", name)]
    said = {}
    for name in names:
        module, _, last = name[2:].rpartition(".")
        said[name] = (
            f"module 'tensorflow{'._api.v2' * bool(module)}{module}' has no attribute '{last}'"
        )
    assert len(said) > 750
    assert [name for name, words in said.items() if not explain.search(words)] == []
    assert best(said["tf.random_normal"]) == "tflog-and-other-names-that-moved"
    assert best(said["tf.train.CheckpointSaverHook"]) == "monitoredtrainingsession"
    assert best(said["tf.metrics.auc"]) == "tfmetrics"


def test_a_message_may_be_an_argument():
    process = explained("module 'tensorflow' has no attribute 'random_normal'")
    assert "tf.log and other names that moved" in process.stdout
    assert "After, in TensorFlow 2:" in process.stdout and "./run_all.sh old" in process.stdout


UNRELATED = r"""
TypeError: 'NoneType' object is not iterable
ValueError: could not convert string to float: 'abc'
RuntimeError: dictionary changed size during iteration
AttributeError: 'list' object has no attribute 'shape'
AttributeError: 'DataFrame' object has no attribute 'append'
AttributeError: 'NoneType' object has no attribute 'group'
ModuleNotFoundError: No module named 'cv2'
ImportError: cannot import name 'Literal' from 'typing' (/usr/lib/python3.7/typing.py)
json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)
ConnectionError: HTTPSConnectionPool(host='x', port=443): Max retries exceeded
IndexError: list index out of range
AttributeError: module 'tensorflow' has no attribute 'foo'
OSError: [Errno 28] No space left on device
Segmentation fault (core dumped)
RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB
pandas read_csv is slow
how do I install docker on windows
RecursionError: maximum recursion depth exceeded in comparison
UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte
NameError: name 'train_x' is not defined
TypeError: unhashable type: 'list'
AttributeError: 'str' object has no attribute 'append'
ImportError: libGL.so.1: cannot open shared object file: No such file or directory
ValueError: The truth value of an array with more than one element is ambiguous. Use a.any()
AssertionError
KeyError: 'loss'
AttributeError: 'Trainer' object has no attribute 'model'
TypeError: build() missing 1 required positional argument: 'self'
ModuleNotFoundError: No module named 'model'
PermissionError: [Errno 13] Permission denied: '/data/train.csv'
AttributeError: 'int' object has no attribute 'items'
ImportError: cannot import name 'build_model' from 'model' (/home/me/model.py)
TypeError: object of type 'int' has no len()
KeyError: 'foo'
how do I bake bread
ModuleNotFoundError: No module named 'yaml'
ZeroDivisionError: division by zero
ImportError: cannot import name 'foo' from 'bar'
IndentationError: unexpected indent
CUDA out of memory
FileNotFoundError: [Errno 2] No such file or directory: 'data.csv'
TypeError: train() got an unexpected keyword argument 'workers'
TypeError: Runner.__init__() got an unexpected keyword argument 'period'
AttributeError: 'Config' object has no attribute 'lr'
AttributeError: 'Parser' object has no attribute 'W'
AttributeError: 'Config' object has no attribute 'input_shape'
AttributeError: 'Reader' object has no attribute 'output_types'
AttributeError: 'Trainer' object has no attribute 'total_loss'
KeyError: 'accuracies'
TypeError: unsupported operand type(s) for +: 'int' and 'str'
"""


@pytest.mark.parametrize("text", ["", "\0\n", *UNRELATED.strip().splitlines()])
def test_nothing_is_made_up(text):
    assert explain.search(explain.read(text).message) == []


def test_an_unknown_message_is_one_line():
    process = explained("KeyError: 'foo'")
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr == (
        "the guide knows nothing about \"KeyError: 'foo'\"; docs/migration.md lists its entries\n"
    )


@pytest.mark.parametrize(("line", "is_old"), [("tf.Session()", True), ("keras.Input([2])", False)])
def test_an_unknown_message_of_an_old_program_names_the_way_to_run_it(tmp_path, line, is_old):
    program = tmp_path / "program.py"
    program.write_text(f"{line}\n")
    frame = f'  File "{program}", line 1, in <module>\n    {line}\n'
    process = explained(stdin=f"Traceback (most recent call last):\n{frame}KeyError: 'foo'\n")
    assert process.returncode == 2 and "knows nothing" in process.stderr
    assert ("./run_all.sh old" in process.stderr) == is_old


NOT_RESTORED = """\
Traceback (most recent call last):
  File "/home/me/fit.py", line 86, in main
    checkpoint.restore(FLAGS.checkpoint).assert_consumed()
  File "/x/lib/python3.11/site-packages/tensorflow/python/checkpoint/checkpoint.py", line 1103, in f
    raise AssertionError(
AssertionError: Some objects had attributes which were not restored: 
    <Variable path=momentum/iteration, shape=(), dtype=int64, value=0>: ['']
    <Variable path=sequential/fc/logits/bias, shape=(2,), dtype=float32, value=[[ 0.24 -0.1]
 [ 0.18814707 -0.08685675]]>: ['']
"""


def test_the_list_below_a_message_is_not_the_message():
    report = explain.read(NOT_RESTORED)
    assert report.headline.endswith("Some objects had attributes which were not restored:")
    assert best(report.message) == "some-objects-had-attributes-which-were-not-restored"


START = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795791280.705989   29352 port.cc:153] oneDNN custom operations are on.
2026-11-26 20:30:48.100000: I tensorflow/core/platform/cpu_feature_guard.cc:210] This TensorFlow
To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow
E0000 00:00:1795791292.359988   29352 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA
"""
RAN = """\
step 150, loss 0.2128
step 200, loss 0.1553
test accuracy 0.994
saved old_logs/model.ckpt-200
"""


@pytest.mark.parametrize("text", [START, RAN, START + RAN, "UserWarning: nothing known\n" + START])
def test_a_text_without_an_error_is_one_line(text):
    process = explained(stdin=text)
    if "UserWarning" in text:
        assert "knows nothing about 'UserWarning: nothing known'" in process.stderr
    else:
        assert process.stderr == (
            "no error was found in the text, nor a warning that the guide knows\n"
        )
    assert (process.returncode, process.stdout) == (2, "")
    assert best(explain.read(f"{START}{RAN}{RETRACING}\n").message) == (
        "triggered-tffunction-retracing"
    )


def test_a_log_line_as_an_argument_has_no_error():
    process = explained(START.splitlines()[0])
    assert process.returncode == 2 and process.stderr.startswith("no error was found")


@pytest.mark.parametrize("text", ["", " \n\t", "\0\x1b[0m\r\n"])
def test_an_empty_text_is_one_line(text):
    process = explained(stdin=text)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr == "got an empty text, expected a message, a traceback or a symptom\n"


def test_control_characters_are_not_printed():
    process = explained(
        stdin="\x1b]0;title\aRuntimeError: The Session\x1b[31m graph is empty.\x9b\x00\x08"
    )
    assert process.returncode == 0 and "the-session-graph-is-empty" in process.stdout
    assert re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", process.stdout) is None


RETRACING = (
    "WARNING:tensorflow:5 out of the last 5 calls to <function step at 0x7f> triggered tf.function "
    "retracing. Tracing is expensive"
)
FLAG = (
    "absl.flags._exceptions.DuplicateFlagError: The flag 'log_dir' is defined twice. First from "
    "absl.logging, Second from main"
)
KEY = """\
tensorflow.python.framework.errors_impl.NotFoundError: Restoring from checkpoint failed. This is \
most likely due to a Variable name or other graph key that is missing from the checkpoint.

Node: 'save/RestoreV2'
Key v not found in checkpoint
\t [[{{node save/RestoreV2}}]]"""


@pytest.mark.parametrize(
    ("warning", "slug"),
    [
        (RETRACING, "triggered-tffunction-retracing"),
        (FLAG, "the-flag-log_dir-is-defined-twice"),
        (KEY, "key--not-found-in-checkpoint"),
    ],
)
def test_what_a_program_printed_before_does_not_matter(warning, slug):
    text = "Epoch 1, loss 0.5\nstep 20, accuracy 0.9\n" * 50 + warning + "\n"
    assert best(explain.read(text).message) == slug


@pytest.mark.parametrize("part", ["ValueError: ", "AttributeError: ... ", "\n", "'"])
def test_a_long_text_takes_no_long_time(part):
    start = time.process_time()
    explain.search(explain.read((part * 300_000)[-explain.LONGEST :]).message)
    assert time.process_time() - start < 5


@settings(max_examples=100, deadline=None)
@given(st.text() | st.binary().map(lambda data: data.decode("utf-8", "replace")))
def test_any_text_ends_without_a_traceback(text):
    for whole in (text, f"{TRACEBACK}{text}", f"Traceback\nValueError: {text}"):
        stdin = SimpleNamespace(
            isatty=lambda: False, buffer=io.BytesIO(whole.encode("utf-8", "replace"))
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", stdin)
            patch.setattr(sys, "stdout", io.StringIO())
            try:
                assert explain.main(SimpleNamespace(message=[])) == 0
            except UserError as error:
                assert len(str(error).splitlines()) == 1
