"""`python -m compare results --check` in a scratch repository: which figures are old, and why."""

import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

from compare import results

MODEL = '''"""A model."""
from shared import batches
RATE = 0.5
if RATE > 1:
    raise ValueError("too fast")
'''
BATCHES = '"""The order of the examples."""\nfrom shared import outputs\nORDER = 1\n'
OTHER = BATCHES.replace("= 1", "= 2")
PAGE = """# Results

<!-- measured 2026-01-05 12:00: small -->

| script | accuracy |
| --- | ---: |
| small | 0.9 |
"""


@pytest.fixture
def project(tmp_path):
    """A repository of one pair of programs and a page, committed on 2026-01-02."""
    root = tmp_path / "a project"
    shutil.copytree(ROOT / "compare", root / "compare")
    shutil.copytree(ROOT / "shared", root / "shared")
    shutil.copy(ROOT / "requirements.txt", root)
    for folder in ("tf1_style", "tf2_style", "docs"):
        (root / folder).mkdir()
    for style in ("tf1_style", "tf2_style"):
        (root / style / "small.py").write_text(MODEL)
    (root / "shared" / "batches.py").write_text(BATCHES)
    (root / "docs" / "results.md").write_text(PAGE)
    git(root, "init", "--quiet")
    commit(root, "2026-01-02")
    return root


def git(root, *arguments, **variables):
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", *arguments]
    subprocess.run(command, cwd=root, check=True, env={**os.environ, **variables})


def commit(root, day, path=None, text=None):
    if path:
        (root / path).write_text(text)
    date = f"{day}T12:00:00+0000"
    git(root, "add", "--all")
    dates = {"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date}
    git(root, "commit", "--quiet", "--message=x", **dates)


def check(root, *options):
    """Returns the exit code, the printed lines and stderr."""
    command = [sys.executable, "-m", "compare", "results", *(options or ["--check"])]
    environment = {name: v for name, v in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.run(
        command, cwd=root, check=False, capture_output=True, text=True, env=environment
    )
    return process.returncode, process.stdout.splitlines(), process.stderr


def test_figures_grow_old_with_what_can_change_them(project):
    clean = (0, ["0 of 1 are older than their programs, or have no date"], "")
    assert check(project) == clean
    assert check(project, "-v")[0] == 2

    # What changes no number: comments, docstrings, layout, the messages of errors, what stores.
    text = MODEL.replace("A model", "Another").replace("0.5", "0.50  # a half")
    commit(project, "2026-01-06", "tf1_style/small.py", text.replace("fast", "high"))
    outputs = (project / "shared" / "outputs.py").read_text()
    commit(project, "2026-01-06", "shared/outputs.py", outputs + "\nANOTHER = 1\n")
    assert check(project) == clean

    # A module that the program imports; the day is that of the change, not of the last commit.
    commit(project, "2026-01-06", "shared/batches.py", BATCHES.replace("= 1", "= 3"))
    commit(project, "2026-01-07", "shared/batches.py", OTHER)
    commit(project, "2026-01-09", "shared/batches.py", "# Why.\n" + OTHER)
    code, lines, stderr = check(project)
    where = "docs/results.md:3, Results: measured 2026-01-05 12:00, changed since: "
    assert (code, lines[:-1], stderr) == (1, [where + "shared/batches.py (2026-01-07)"], "")

    # Back to the same numbers, and what is not committed yet.
    commit(project, "2026-01-10", "shared/batches.py", BATCHES)
    assert check(project) == clean
    (project / "tf2_style" / "small.py").write_text(MODEL.replace("0.5", "0.6"))
    assert check(project)[1][0] == where + "tf2_style/small.py (not committed)"


def test_tensorflow_of_another_version(project):
    text = (project / "requirements.txt").read_text().replace("tensorflow==2", "tensorflow==3")
    commit(project, "2026-01-08", "requirements.txt", text)
    code, lines, _ = check(project)
    assert code == 1 and lines[0].endswith("changed since: requirements.txt (2026-01-08)")


def test_figures_measured_anew_or_never_or_without_a_date(project):
    commit(project, "2026-01-07", "tf1_style/small.py", MODEL.replace("0.5", "0.7"))
    table = PAGE[PAGE.index("| script") :]
    page = (
        PAGE.replace("2026-01-05 12:00", "2026-01-07")
        + f"""
<!-- measured never: small -->

{table}
## Others

{table}
```
| an | example |
| --- | ---: |
```
"""
    )
    (project / "docs" / "results.md").write_text(page)
    assert check(project)[:2] == (
        1,
        [
            "docs/results.md:9, Results: never measured",
            "docs/results.md:18, Others: a table of numbers without a date",
            "2 of 3 are older than their programs, or have no date",
        ],
    )


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        (
            "measured 2026-13-01: small",
            "got <!-- measured 2026-13-01: small -->, expected a comment",
        ),
        ("measured yesterday: small", "expected a comment such as <!-- measured 2026-11-27 14:05"),
        ("measured 2026-01-05:", "expected a comment such as"),
        ("measured 2026-01-05: smal", "there is no tf1_style/smal.py and no tf2_style/smal.py"),
        ("measured 2026-01-05: compare/x.py", "there is no compare/x.py; expected a program"),
        ("measured 2026-01-01: small", "git has no commit of 2026-01-01 or before; in a shallow"),
    ],
)
def test_comments_that_cannot_be_judged(project, comment, message):
    page = PAGE.replace("measured 2026-01-05 12:00: small", comment)
    (project / "docs" / "results.md").write_text(page)
    code, lines, stderr = check(project)
    assert (code, lines, stderr.count("\n")) == (2, [], 1)
    assert stderr.startswith("docs/results.md:3, Results: ") and message in stderr


def test_no_checkout_and_no_git(project, tmp_path, monkeypatch):
    shutil.rmtree(project / ".git")
    expected = f"results --check asks git for the dates, and {project} is no git checkout"
    for _ in range(2):
        code, lines, stderr = check(project)
        assert (code, lines, stderr.count("\n")) == (2, [], 1) and stderr.startswith(expected)
        # A checkout of something else around it does not count; then, no git at all.
        git(tmp_path, "init", "--quiet")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert check(project)[2].startswith(expected)
    assert check(project, "--data_dir=x")[0] == 2


def test_the_list_of_figures(project):
    shutil.rmtree(project / ".git")
    command = [sys.executable, "-m", "compare", "results"]
    printed = subprocess.check_output(command, cwd=project, text=True)
    files = "tf1_style/small.py tf2_style/small.py"
    assert printed == f"docs/results.md:3, Results: 2026-01-05 12:00: {files}\n"


def test_every_comment_of_the_project_can_be_read():
    pages = {figures.place.partition(":")[0] for figures in results._all_figures()}
    assert {"docs/results.md", "docs/speed.md", "docs/experiments.md"} <= pages
