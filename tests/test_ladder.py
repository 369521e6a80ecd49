"""The ladder, from outside: every rung in both styles, on the digits."""

import argparse
import json
import os
from dataclasses import replace

import numpy as np
import pytest
from conftest import STYLES
from PIL import Image
from rich.console import Console

from compare import drawing, runner
from compare.experiments import cases, ladder
from compare.experiments.rungs import RUNGS
from shared import outputs
from shared.console import UserError

FEW = ["--rung=perceptron, trained", "--rung=gradients"]


def climb(run, tmp_path, *arguments):
    process = run("-m", "compare", "ladder", "--quick", *arguments, check=False)
    results = json.loads((tmp_path / "runs" / "ladder-quick" / "results.json").read_text())
    return process, {row["rung"]: row for row in results["rows"]}


@pytest.mark.proof
def test_a_few_rungs(run, tmp_path):
    process, rows = climb(run, tmp_path, *FEW)
    assert process.returncode == 0, process.stdout + process.stderr
    assert list(rows) == ["perceptron, trained", "gradients"]
    for row in rows.values():
        assert row["twins"].startswith("bit-identical") and row["styles"] == list(STYLES)
        assert row["faults"] == []
    assert rows["perceptron, trained"]["says"] == "loss 1.1122 to 0.0149"
    assert rows["gradients"]["says"] == "2.0; [[2.0, 2.0], [2.0, 2.0]]"
    table = (tmp_path / "runs" / "ladder-quick" / "table.md").read_text()
    assert (
        "| gradients | 2; all 2 | 2.0; [[2.0, 2.0], [2.0, 2.0]] | bit-identical | "
        "accuracy >= 1, styles equal |"
        in table
        and "`python -m compare" in table
    )

    # Whatever it writes is among the outputs that are checked before it starts.
    root = tmp_path / "runs" / "ladder-quick"
    written = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    patterns = outputs.EXPERIMENT_FILES["ladder"]
    assert [path for path in written if not any(path.match(name) for name in patterns)] == []

    # Nothing is run again; the verdict of the first time counts.
    compared = tmp_path / "runs" / "ladder-quick" / "parity"
    before = {path: path.stat().st_mtime_ns for path in compared.rglob("trace.npz")}
    assert len(before) == 4
    path = compared / "gradients" / "parity.json"
    other = json.loads(path.read_text())
    other["verdict"], other["is_same"] = "first difference at step 0", False
    path.write_text(json.dumps(other))
    process, rows = climb(run, tmp_path, *FEW)
    assert process.returncode == 1
    assert rows["gradients"]["faults"] == ["first difference at step 0"]
    assert before == {path: path.stat().st_mtime_ns for path in compared.rglob("trace.npz")}


@pytest.mark.full
def test_every_rung(run, tmp_path):
    process, rows = climb(run, tmp_path)
    assert process.returncode == 0, process.stdout + process.stderr
    assert list(rows) == [rung.case.title for rung in RUNGS]
    assert all(row["twins"].startswith(("bit-identical", "the same")) for row in rows.values())
    assert rows["falling rate"]["accuracies"][0] > 0.8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rung=convent"], "invalid choice: 'convent'"),
        (["--seeds=one"], "got 'one', expected seeds"),
        (["--style=tf3"], "invalid choice: 'tf3'"),
        (["--rung=naive", "--data_dir=nowhere"], "nowhere"),
    ],
)
def test_errors(run, tmp_path, arguments, message):
    process = run("-m", "compare", "ladder", *arguments, check=False)
    assert process.returncode == 2 and process.stdout == ""
    assert message in process.stderr and process.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("title", "accuracy", "swing", "fault"),
    [
        ("1024", 0.9765, None, None),
        ("1024", 0.9714, None, "below the threshold"),
        ("1024", 0.9816, None, "above the threshold"),
        ("sigmoid", 0.61, None, "above the threshold"),
        ("convnet, batch norm", 0.9939, None, "below the threshold"),
        ("convnet, batch norm", 0.996, None, None),
        ("rate 0.01", 0.97, 0.3, None),
        ("rate 0.01", 0.97, 0.1, "swings by 0.10 points only"),
    ],
)
def test_what_a_rung_is_checked_for(title, accuracy, swing, fault):
    (rung,) = [rung for rung in RUNGS if rung.case.title == title]
    row = {"accuracies": [accuracy - 0.001, accuracy + 0.001], "swing": swing}
    found = [text for text in ladder._judge(rung, row, rung.threshold, is_quick=False) if text]
    assert (fault is None) == (found == []) and (fault or "") in " ".join(found)


@pytest.mark.parametrize(
    ("title", "options", "source", "checked"),
    [
        ("convnet", {}, "just under 99 %", "accuracy 0.985 to 0.995, styles equal"),
        ("convnet", {"quick": True}, "", "accuracy >= 0.7, styles equal"),
        ("1024", {"quick": True}, "", "styles equal"),
        ("convnet", {"epochs": 2}, "", "styles equal"),
        ("gradients", {"quick": True}, "2; all 2", "accuracy >= 1, styles equal"),
    ],
)
def test_what_was_checked_is_said(monkeypatch, title, options, source, checked):
    """The source's figure stands beside a verdict only if it is of the same dataset and epochs."""
    (rung,) = [rung for rung in RUNGS if rung.case.title == title]
    slopes = ["d(2x+3)/dx: shape [], 2.0", "d(2X+3)/dX: shape [1], [2.0]", "test accuracy 1"]
    lines = {style: slopes if title == "gradients" else ["test accuracy 0.99"] for style in STYLES}
    compared = {"verdict": "bit-identical", "is_same": True, "lines": lines, "device": "an abacus"}
    result = {"step": 1, "steps_per_second": 1.0, "test_accuracy": 0.99}
    run = cases.CaseRun(rung.case, STYLES[1], 0, "", result=result)
    monkeypatch.setattr(ladder, "compare_styles", lambda *_: compared)
    monkeypatch.setattr(cases, "run_all", lambda *_: [run])
    monkeypatch.setattr(ladder, "_result", lambda run: ladder.RungResult(0.99))
    given = {"quick": False, "epochs": None, "dataset": None, **options}
    row = ladder._climb(rung, rung.case, argparse.Namespace(**given), "", Console())
    shown = ladder._row(row)
    assert (shown["source says"], shown["checked"], shown["verdict"]) == (source, checked, "ok")


def test_the_picture(tmp_path):
    rows = [
        {"rung": "naive", "accuracies": [0.81, 0.82], "source_accuracy": 0.82, "says": ""},
        {"rung": "sigmoid", "accuracies": [0.1135], "source_accuracy": None, "says": ""},
        {"rung": "convnet", "accuracies": list(np.linspace(0.98, 0.99, 3)), "says": ""},
    ]
    rows[2]["source_accuracy"] = 0.99
    sizes = []
    for drawn in (rows, rows[1:2]):  # with sources and spreads, and without
        ladder._draw(drawn, str(tmp_path / "ladder.png"))
        pixels = np.asarray(Image.open(tmp_path / "ladder.png").convert("RGB")).reshape(-1, 3)
        colors = [tuple(bytes.fromhex(color[1:])) for color in drawing.COLORS[:2]]
        sizes.append([int((pixels == color).all(axis=1).sum()) for color in colors])
    assert sizes[0][0] > 3 * sizes[1][0] > 0  # of ours, three points and two ranges
    assert sizes[0][1] > 0 == sizes[1][1]  # of the sources


def test_a_run_that_fails_is_the_verdict_of_its_rung(tmp_path, monkeypatch):
    """Nothing is kept of it, so that it is tried again; what is refused ends the ladder."""
    (rung,) = [rung for rung in RUNGS if rung.case.title == "ReLU, Adam"]
    case = replace(rung.case, flags={"dataset": "digits", "epochs": 1, "batch_size": 50})
    arguments = argparse.Namespace(quick=False, seeds=[0])
    for exit_code, error in ((3, "the loss is nan at step 4"), (-9, ""), (2, "no such flag")):
        outcome = runner.Outcome(exit_code, error, 1.0, {}, [])
        monkeypatch.setattr(runner, "run", lambda *_, outcome=outcome: outcome)
        if exit_code == 2:
            with pytest.raises(UserError, match="no such flag"):
                ladder.compare_styles(case, arguments, str(tmp_path), Console())
            continue
        compared = ladder.compare_styles(case, arguments, str(tmp_path), Console())
        assert (
            compared["verdict"] == f"tf1_style: exit {exit_code}: {error}"
            and not compared["is_same"]
        )
    assert not list(tmp_path.rglob("parity.json"))
