"""Trains a program on a cluster of processes on this machine, and checks its test accuracy.

    python -m compare cluster mnist_deep --workers=2 --max_steps=1000
    python -m compare cluster mnist_deep --workers=2 --ps=1 --evaluator --style=tf1
    python -m compare cluster mnist_deep --workers=3 --print=slurm

Each task is a process of its own on 127.0.0.1. All tasks end when one ends; if one was lost, all
start again from the last checkpoint. On Linux they are in a network namespace, which nobody else
reaches, where that is permitted. Other flags are passed to the program. --print writes what starts
the same cluster elsewhere, and starts nothing. Exit 1 if any verdict is not "ok".
"""

import argparse
import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from compare import manifests, reading, runner, thresholds
from compare.options import at_least
from shared import cluster, machine, runs
from shared.console import UserError
from shared.datasets import sources

TAKES_PROGRAM_FLAGS = True
HOST = "127.0.0.1"
GRACE = 20.0  # seconds in which tasks end by themselves when one has ended
OWN_NETWORK = "TWINS_OWN_NETWORK"  # set in the environment of a command that `isolate` has started


@dataclass
class ClusterTask:
    """One task: a process, and the file that gets its stderr."""

    name: str
    process: subprocess.Popen
    stderr: object

    def error(self) -> str:
        """Returns the last line of its stderr that is no warning."""
        self.stderr.seek(0)
        lines = self.stderr.read().decode(errors="replace").strip().splitlines()
        lines = [line for line in lines if not line.startswith("warning: ")]
        return lines[-1] if lines else ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("program", choices=runner.programs(), metavar="PROGRAM")
    parser.add_argument(
        "--workers", type=at_least(1, 64), default=2, help="tasks that train; default: 2"
    )
    parser.add_argument(
        "--ps",
        type=at_least(0, 64),
        help="parameter servers; default: 1 for async, 0 for sync, whose chief holds the variables",
    )
    parser.add_argument("--evaluator", action="store_true", help="add a task that evaluates")
    parser.add_argument(
        "--style", choices=runner.STYLES_OF, default="both", help="default: %(default)s"
    )
    parser.add_argument(
        "--distribution",
        choices=("sync", "async"),
        default="sync",
        help="whether the workers update the weights together or each by itself; default: sync",
    )
    parser.add_argument(
        "--restarts",
        type=at_least(0, 100),
        default=0,
        help="start all tasks again up to N times if one is lost; default: 0",
    )
    parser.add_argument(
        "--print", choices=manifests.KINDS, help="print how to start this cluster elsewhere"
    )


def main(arguments: argparse.Namespace, flags: list[str]) -> int:
    styles = runner.STYLES_OF[arguments.style]
    if arguments.print:
        style = styles[-1]
        roles = roles_of(style, arguments)
        command = [f"{style}/{arguments.program}.py", f"--distribution={arguments.distribution}"]
        print(manifests.text(arguments.print, arguments.program, command + flags, roles), end="")
        return 0
    for flag in flags:
        if flag.startswith(("--cluster=", "--distribution", "--replicas")):
            raise UserError(f"unexpected {flag}: compare cluster sets it itself")
    isolate(styles[0], arguments.program, flags)
    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False, markup=False)
    rows = [run_cluster(style, arguments, flags, console) for style in styles]
    console.print(_table(rows))
    return int(any(row["verdict"] != "ok" for row in rows))


def isolate(style: str, program: str, flags: list[str]) -> None:
    """Starts this command again in a network namespace of its own, where that is permitted.

    TensorFlow's servers listen on every interface, and obey anyone who reaches them. The namespace
    has no interface but loopback, so the data must be there before.
    """
    if OWN_NETWORK in os.environ:
        return
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    inside = ["unshare", *user, "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    given = dict(flag[2:].split("=", 1) for flag in flags if re.match("--[a-z_]+=", flag))
    try:
        is_permitted = not subprocess.run(
            [*inside, "true"], check=False, capture_output=True
        ).returncode
        if not is_permitted:
            return
        dataset = given.get("dataset") or runner.defaults(style, program).get("dataset", "")
        sources.fetch(dataset, given.get("data_dir", ""))
    except (OSError, UserError):  # no `unshare` here; or no data, as the tasks will say
        return
    sys.stdout.flush()
    command = [*inside, sys.executable, "-m", "compare", *sys.argv[1:]]
    os.execvpe(command[0], command, {**os.environ, OWN_NETWORK: "1"})


def roles_of(style: str, arguments: argparse.Namespace) -> dict[str, int]:
    """Returns how many tasks of each role a cluster has.

    Without a chief, worker 0 is the chief. `ParameterServerStrategy` has a chief besides its
    workers, and `MultiWorkerMirroredStrategy` has no parameter servers.
    """
    is_async = arguments.distribution == "async"
    servers = int(is_async) if arguments.ps is None else arguments.ps
    if is_async and not servers:
        raise UserError("--ps=0: --distribution=async needs a parameter server; give --ps=1")
    roles = {"worker": arguments.workers}
    if style == "tf2_style" and is_async:
        roles["chief"] = 1
    if servers and (style == "tf1_style" or is_async):
        roles["ps"] = servers
    if arguments.evaluator:
        roles["evaluator"] = 1
    return roles


def run_cluster(style: str, arguments, flags: list[str], console: Console) -> dict:
    """Runs one cluster to its end, with restarts; returns the row of the table."""
    named = [flag.partition("=")[2] for flag in flags if flag.startswith("--run_dir=")]
    run_dir = named[-1] if named else runs.new_directory("runs", style, arguments.program)
    if named and arguments.style == "both":
        raise UserError("--run_dir names one folder, expected one style; give --style=tf1 or tf2")
    roles = roles_of(style, arguments)
    started = time.perf_counter()
    for attempt in range(arguments.restarts + 1):
        faults = _attempt(style, arguments, flags, run_dir, roles, console)
        if not faults:
            break
        last = attempt == arguments.restarts
        console.print(f"{faults[0]}" + ("" if last else "; all tasks start again"))
    result = reading.result_so_far(run_dir)
    return {
        "style": style,
        "tasks": ", ".join(f"{count} {role}" for role, count in roles.items()),
        "run_dir": run_dir,
        "accuracy": result.get("test_accuracy"),
        "seconds": time.perf_counter() - started,
        **_verdict(arguments.program, result, faults),
    }


def _verdict(program: str, result: dict, faults: list[str]) -> dict:
    threshold = None
    if not faults and "test_accuracy" in result:
        threshold = thresholds.find(result["flags"]["dataset"], program, result["step"])
        fault = threshold.fault(result["test_accuracy"]) if threshold else ""
        faults = [fault] if fault else []
    shown = str(threshold) if threshold else "none for this number of steps"
    return {"threshold": shown, "verdict": "; ".join(faults) or "ok"}


def _attempt(style, arguments, flags, run_dir, roles, console) -> list[str]:
    """Starts all tasks and waits until all have ended; returns what went wrong."""
    with contextlib.ExitStack() as stack:
        tasks = _start(style, arguments, flags, run_dir, roles)
        stack.callback(_end, tasks)
        title = f"{style}/{arguments.program}, {arguments.workers} workers"
        follow = stack.enter_context(runner.progress(console, title, _steps(flags)))
        threading.Thread(target=_follow, args=(tasks[0], follow), daemon=True).start()
        while all(task.process.poll() is None for task in tasks):
            time.sleep(0.1)
        end = time.monotonic() + GRACE
        while time.monotonic() < end and any(task.process.poll() is None for task in tasks):
            time.sleep(0.1)
            # As long as none has failed, the chief may still test the model.
            if tasks[0].process.poll() is None and not any(t.process.poll() for t in tasks):
                end = time.monotonic() + GRACE
        ended = [(task, task.process.poll()) for task in tasks]
        faults = [_fault(task, code) for task, code in ended if code]
        # What another task says of a lost one comes after what the task itself says.
        order = sorted(faults, key=lambda fault: fault[0])
        silent = [f"{task.name} did not end" for task, code in ended if code is None]
        return [text for _, text in order] + silent


def _fault(task: ClusterTask, code: int) -> tuple[bool, str]:
    what = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exit {code}"
    error = task.error()
    return code == cluster.LOST, f"{task.name}: {what}" + (f": {error}" if error else "")


def _start(style, arguments, flags, run_dir, roles) -> list[ClusterTask]:
    """Starts the tasks; the chief is the first."""
    config = {
        role: [f"{HOST}:{port}" for port in _free_ports(count)]
        for role, count in roles.items()
        if role != "evaluator"
    }
    script = str(runner.ROOT / style / f"{arguments.program}.py")
    command = [sys.executable, script, f"--distribution={arguments.distribution}", *flags]
    command.append(f"--run_dir={run_dir}")
    if not any(flag.startswith("--threads") for flag in flags):
        command.append(f"--threads={max(1, machine.cores() // arguments.workers)}")
    tasks = []
    order = sorted(roles, key=["chief", "worker", "ps", "evaluator"].index)
    for role in order:
        for index in range(roles[role]):
            text = json.dumps({"cluster": config, "task": {"type": role, "index": index}})
            stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the task)
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE if not tasks else subprocess.DEVNULL,
                stderr=stderr,
                env={**os.environ, "TF_CONFIG": text},
            )
            tasks.append(ClusterTask(f"{role} {index}", process, stderr))
    return tasks


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind((HOST, 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _steps(flags: list[str]) -> int | None:
    given = [flag.partition("=")[2] for flag in flags if flag.startswith("--max_steps=")]
    return int(given[-1]) if given and given[-1].isdecimal() else None


def _follow(task: ClusterTask, follow: runner.Follow) -> None:
    for line in task.process.stdout:
        match = runner.PROGRESS.match(line.decode(errors="replace"))
        if match:
            follow(match[1], int(match[2]))


def _end(tasks: list[ClusterTask]) -> None:
    """Ends the tasks that still run: only those that were started here."""
    for task in tasks:
        if task.process.poll() is None:
            task.process.terminate()
    for task in tasks:
        try:
            task.process.wait(5)
        except subprocess.TimeoutExpired:
            task.process.kill()
            task.process.wait()
        task.stderr.close()


def _table(rows: list[dict]) -> Table:
    table = Table()
    for name in (
        "style",
        "tasks",
        "test accuracy",
        "threshold",
        "seconds",
        "run folder",
        "verdict",
    ):
        table.add_column(name)
    for row in rows:
        accuracy = "-" if row["accuracy"] is None else f"{row['accuracy']:.4f}"
        table.add_row(
            row["style"],
            row["tasks"],
            accuracy,
            row["threshold"],
            f"{row['seconds']:.0f}",
            shlex.quote(row["run_dir"]),
            row["verdict"],
        )
    return table
