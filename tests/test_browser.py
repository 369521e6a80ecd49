"""TensorBoard in a real browser, on logs of both styles.

TWINS_SCREENSHOTS names a folder for screenshots.
"""

import os
import re
import subprocess
import sys
import time

import forks
import pytest
from conftest import STYLES, script

from shared.console import quiet_import

with quiet_import():
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.graph_pb2 import GraphDef
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

pytestmark = pytest.mark.browser

BOXES = {
    "mnist_deep": "input conv1 pool1 conv2 pool2 fc1 dropout fc2 loss accuracy train",
    "mnist_softmax": "input softmax loss accuracy train",
}
RUNS = [f"{style}/{name}" for style in STYLES for name in BOXES]

# This precedes every script. `found` returns all elements that match, also those in shadow roots;
# `scene` is the element that draws the graph.
PRELUDE = """
function found(selector, node = document.body) {
  return [...(node.shadowRoot ? [node.shadowRoot] : []), ...node.children].flatMap(
    child => [...(child.matches?.(selector) ? [child] : []), ...found(selector, child)]);
}
const scene = ['tf-graph-board', 'tf-graph', 'tf-graph-scene'].reduce(
  (element, name) => element?.shadowRoot?.querySelector(name),
  document.querySelector('tf-graph-dashboard'));
"""


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Returns a folder of logs: both scripts in both styles, and two broken graphs."""
    folder = tmp_path_factory.mktemp("logs")
    for run in RUNS:
        command = [script(*run.split("/")), "--dataset=digits", "--max_steps=30"]
        command += ["--eval_every=10", "--summary_every=10", f"--log_dir={folder}"]
        command += [f"--run_dir={folder.with_name('runs') / run}"]
        forks.run(command)
    (whole,) = (folder / "tf2_style" / "mnist_deep").glob("events.out.tfevents.*.v2")
    nodes = graph_in(whole).node
    write_graph(folder / "z_broken" / "empty", [])
    lacking = [node for node in nodes if not node.name.startswith("conv2/")]
    write_graph(folder / "z_broken" / "without_conv2", lacking)
    return folder


def graph_in(path):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    for event in EventFileLoader(str(path)).Load():
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "graphs":
                return GraphDef.FromString(value.tensor.string_val[0])
    raise ValueError(f"no graph in {path}")


def write_graph(folder, nodes):
    writer = EventFileWriter(str(folder))
    writer.add_event(Event(graph_def=GraphDef(node=nodes).SerializeToString()))
    writer.close()


@pytest.fixture(scope="module")
def board(logs, browser):
    """A function that opens a dashboard of a TensorBoard on the logs and returns the browser."""
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={logs}", "--port=0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            lines = iter(process.stderr.readline, "")
            url = next(match[0] for match in map(re.compile(r"http://\S+").search, lines) if match)

            def board(dashboard):
                browser.get(
                    "about:blank"
                )  # a change after the # alone does not load the page again
                browser.get_log("browser")  # empties the log
                browser.get(f"{url}#{dashboard}")
                return browser

            yield board
        finally:
            process.terminate()


def evaluate(browser, expression, *arguments):
    return browser.execute_script(f"{PRELUDE} return {expression}", *arguments)


def wait_for(browser, expression, what, seconds=60):
    """Waits until an expression is true; fails after some seconds."""
    from selenium.common.exceptions import TimeoutException
    from selenium.webdriver.support.ui import WebDriverWait

    try:
        WebDriverWait(browser, seconds).until(lambda _: evaluate(browser, f"Boolean({expression})"))
    except TimeoutException:
        raise AssertionError(f"{what}: not shown after {seconds} s") from None


def keep_picture(browser, name):
    folder = os.environ.get("TWINS_SCREENSHOTS")
    if folder:
        time.sleep(2)  # until all animations have ended
        browser.save_screenshot(os.path.join(folder, f"{name}.png"))


def drawn_boxes(browser, run, seconds=60):
    """Chooses a run in the graph dashboard; returns the names of the boxes at the top level.

    The dashboard first draws the first run, whatever the address says. A graph stays until another
    is drawn, so a new graph must be another object.
    """
    wait_for(browser, "scene?.renderHierarchy", "a first graph")
    if run == evaluate(browser, "found('paper-item.iron-selected')[0].textContent.trim()"):
        switch(browser, next(name for name in RUNS if name != run))
    switch(browser, run, seconds)
    names = "found('g.node', scene.shadowRoot).map(node => node.getAttribute('data-name'))"
    return [name for name in evaluate(browser, names) if "/" not in name]


def switch(browser, run, seconds=60):
    evaluate(browser, "void (window.before = scene.renderHierarchy)")
    item = "found('paper-item').find(item => item.textContent.trim() === arguments[0])"
    evaluate(browser, f"{item}.click()", run)
    changed = "scene.renderHierarchy && scene.renderHierarchy !== window.before"
    wait_for(browser, changed, f"the graph of {run}", seconds)


@pytest.mark.parametrize("run", RUNS)
def test_graph_shows_its_boxes(board, run):
    browser = board("graphs")
    assert sorted(drawn_boxes(browser, run)) == sorted(BOXES[run.split("/")[1]].split())
    keep_picture(browser, f"graph_{run.replace('/', '_')}")


INSIDE = {
    "mnist_deep": "gradients conv1 conv2 fc1 fc2 beta1_power beta2_power Adam",
    "mnist_softmax": "gradients GradientDescent",
}


@pytest.mark.parametrize("run", RUNS)
def test_train_shows_its_boxes(board, run):
    """The box of the training step holds the same in both styles, and nothing at its side."""
    browser = board("graphs")
    drawn_boxes(browser, run)
    evaluate(browser, "void scene.fire('node-toggle-expand', {name: 'train'})")
    nodes = "found('g.node', scene.shadowRoot).map(node => node.getAttribute('data-name'))"
    wait_for(browser, f"{nodes}.includes('train/gradients')", "the gradients")
    evaluate(browser, "void scene.fit()")
    inside = [name for name in evaluate(browser, nodes) if name.startswith("train/")]
    expected = f"{INSIDE[run.split('/')[1]]} global_step learning_rate".split()
    assert sorted(inside) == sorted(f"train/{name}" for name in expected)
    aside = "found('g.in-extract g.node, g.out-extract g.node', scene.shadowRoot)"
    assert not evaluate(browser, f"{aside}.length")
    keep_picture(browser, f"train_{run.replace('/', '_')}")


def test_graph_that_lacks_a_layer_is_told(board):
    drawn = drawn_boxes(board("graphs"), "z_broken/without_conv2")
    assert sorted(drawn) == sorted(set(BOXES["mnist_deep"].split()) - {"conv2"})


def test_empty_graph_is_told(board):
    """The graph from before, which is still drawn, is not taken for it."""
    browser = board("graphs")
    with pytest.raises(AssertionError, match="the graph of z_broken/empty: not shown"):
        drawn_boxes(browser, "z_broken/empty", seconds=10)
    assert evaluate(browser, "scene.renderHierarchy === window.before")


PROJECTOR = "found('iframe')[0]?.contentDocument.querySelector('iframe')?.contentDocument.body"
DRAWN = {
    "timeseries": "found('scalar-card line-chart').length >= 3 && "
    "found('tb-data-table-content-row').length >= 4",
    "scalars": "found('path.line').filter(line => line.getAttribute('d')).length >= 2 * 4",
    "images": "found('img').filter(image => image.naturalWidth >= 320).length === 3 * 4",
    "distributions": "found('path.area').length >= 4",
    "histograms": "found('vz-histogram-timeseries').length && found('path.outline').length >= 4",
    # The script, the results of the test first, and the learning rate once.
    "hparams": "/^(?!(.*learning_rate){2}).*script.*style.*accuracy.test.*loss.test"
    ".*mnist_deep.*tf[12]_style/s.test(found('vaadin-grid').map(g => g.textContent))",
    # The projector shows a dialog while it computes the principal components.
    "projector": f"{PROJECTOR} && found('.numDataPoints', {PROJECTOR})[0]?.textContent === '400' "
    f"&& !found('paper-dialog', {PROJECTOR}).some(dialog => dialog.opened)",
}


@pytest.mark.parametrize("dashboard", DRAWN)
def test_dashboards_draw(board, dashboard):
    """Each dashboard shows the data of all four runs, without an error in the console."""
    browser = board(dashboard)
    wait_for(browser, DRAWN[dashboard], dashboard)
    keep_picture(browser, dashboard)
    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not severe
