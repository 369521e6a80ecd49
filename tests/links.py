"""Measures what a step costs on two workers whose link has 10 or 1 Gbit/s, and models more workers.

    sudo .venv/bin/python tests/links.py
    sudo .venv/bin/python tests/links.py mnist_softmax --dataset=digits

Two network namespaces stand for two machines. A pair of virtual interfaces joins them, and `tc`
limits its rate. Without root the script prints one line and ends. Stop other work before: two
workers of one thread each need two cores. The tables are those of docs/distribution.md.
"""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STYLES = ("tf1_style", "tf2_style")
RATES = {"10 Gbit/s": "10gbit burst 2mb", "1 Gbit/s": "1gbit burst 256kb"}
LOOPBACK = "two workers, loopback"
FIRST, LAST = 100, 200  # the time and the bytes between these steps are measured
CARD = "twins0"  # the interface of a namespace
PORT = 2222
RECEIVE = "import socket; s = socket.create_server(('', 5001)); c, _ = s.accept()\nwhile c.recv(1 << 20): pass\nc.send(b'1')"  # noqa: E501


def ip(*arguments: str) -> str:
    command = ["ip", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Link:
    """Two namespaces, each with an interface CARD, whose rate `tc` limits."""

    def __init__(self, rate: str):
        self.names = [f"twins-{os.getpid()}-{number}" for number in (0, 1)]
        self.hosts = ["10.77.0.1", "10.77.0.2"]
        self._rate = rate

    def __enter__(self):
        try:
            self._make()
        except subprocess.CalledProcessError as error:
            self.__exit__()
            sys.exit(error.stderr)
        return self

    def _make(self) -> None:
        first, second = self.names
        for name in self.names:
            ip("netns", "add", name)
        ip("-n", first, "link", "add", CARD, "type", "veth", "peer", "name", CARD, "netns", second)
        for name, host in zip(self.names, self.hosts):
            ip("-n", name, "address", "add", f"{host}/24", "dev", CARD)
            for interface in ("lo", CARD):
                ip("-n", name, "link", "set", interface, "up")
            limit = ["tc", "-n", name, "qdisc", "add", "dev", CARD, "root", "tbf", "rate"]
            subprocess.run([*limit, *self._rate.split(), "latency", "50ms"], check=True)

    def __exit__(self, *exc_info) -> None:
        for name in self.names:
            subprocess.run(["ip", "netns", "delete", name], check=False)

    def inside(self, number: int) -> list[str]:
        """Returns the words before a command that is to run in a namespace."""
        return ["ip", "netns", "exec", self.names[number]]

    def sent(self) -> int:
        """Returns the bytes that the first namespace has sent."""
        (found,) = json.loads(ip("-n", self.names[0], "-j", "-s", "link", "show", "dev", CARD))
        return found["stats64"]["tx"]["bytes"]

    def measured_rate(self) -> float:
        """Sends 100 MB through the link; returns Gbit/s."""
        send = (
            "import socket, time; c = socket.create_connection(('10.77.0.2', 5001)); "
            "t = time.monotonic(); c.sendall(bytes(10**8)); c.shutdown(socket.SHUT_WR); "
            "c.recv(1); print(0.8 / (time.monotonic() - t))"
        )
        with subprocess.Popen([*self.inside(1), sys.executable, "-c", RECEIVE]) as receiver:
            time.sleep(1)
            command = [*self.inside(0), sys.executable, "-c", send]
            rate = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            receiver.wait()
        return float(rate)


def measure(commands: list[list[str]], environments: list[dict], sent=lambda: 0) -> dict:
    """Runs the tasks; returns the seconds and the bytes per step of the first one."""
    marks = {}
    with contextlib.ExitStack() as stack:
        tasks = []
        for number, (command, environment) in enumerate(zip(commands, environments)):
            out = subprocess.DEVNULL if number else subprocess.PIPE
            options = {"stdout": out, "text": True, "env": {**os.environ, **environment}}
            tasks.append(stack.enter_context(subprocess.Popen(command, **options)))
        for line in tasks[0].stdout:
            step = re.match(r"step (\d+),", line)
            if step:
                marks[int(step[1])] = time.monotonic(), sent()
    codes = [task.returncode for task in tasks]
    if any(codes):
        sys.exit(f"exit codes {codes} of {commands[0]}")
    seconds, size = (b - a for a, b in zip(marks[FIRST], marks[LAST]))
    return {"seconds": seconds / (LAST - FIRST), "bytes": size / (LAST - FIRST)}


def alone(script: list[str], *flags: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        return measure([[*script, *flags, f"--run_dir={folder}/run"]], [{}])


def together(script: list[str], link: Link | None) -> dict:
    """Measures two workers of one thread each, in two namespaces or on loopback."""
    hosts = link.hosts if link else ["127.0.0.1", "127.0.0.1"]
    workers = [f"{host}:{PORT + number}" for number, host in enumerate(hosts)]
    tasks = [{"type": "worker", "index": number} for number in (0, 1)]
    given = [{"TF_CONFIG": json.dumps({"cluster": {"worker": workers}, "task": t})} for t in tasks]
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--distribution=sync", "--threads=1", f"--run_dir={folder}/run"]
        inside = [link.inside(number) if link else [] for number in (0, 1)]
        commands = [[*words, *script, *flags] for words in inside]
        return measure(commands, given, link.sent if link else lambda: 0)


def print_model(style: str, loopback: float, size: float) -> None:
    """Prints the time of a step of more workers, each with as many examples, by arithmetic.

    To the time on loopback it adds that of the bytes of the busiest card. In TensorFlow 1 the chief
    receives gradients from each other worker, then sends it the variables, `size` bytes each. In
    TensorFlow 2 each of n workers of a ring sends 2 (n - 1) / n times `size` bytes.
    """
    for name, bits in (("10 Gbit/s", 1e10), ("1 Gbit/s", 1e9)):
        times = []
        for count in (2, 4, 8, 16):
            parts = 2 * (count - 1) / (1 if style == "tf1_style" else count)
            times.append(f"{count}: {1000 * (loopback + parts * 8 * size / bits):.0f}")
        print(f"{style}  model, {name}, ms per step by workers: {', '.join(times)}", flush=True)


def main(program: str = "mnist_deep", *flags: str) -> None:
    if os.geteuid():
        sys.exit("skipped: network namespaces need root; run this script with sudo")
    common = [f"--max_steps={LAST + 1}", "--eval_every=100", "--save_every=0", "--nolog", *flags]
    print(f"{os.cpu_count()} cores, {socket.gethostname()}; ms per step of {program}")
    for style in STYLES:
        script = [sys.executable, str(ROOT / style / f"{program}.py"), *common]
        rows = {
            "one process, two threads": alone(script, "--threads=2"),
            "one process, two replicas of one thread": alone(script, "--threads=1", "--replicas=2"),
            "one process, one thread, half the batch": alone(
                script, "--threads=1", "--batch_size=25"
            ),
            LOOPBACK: together(script, None),
        }
        for name, rate in RATES.items():
            with Link(rate) as link:
                shown = f"two workers, {name} (a stream: {link.measured_rate():.2f})"
                rows[shown] = together(script, link)
        for name, row in rows.items():
            size = f", {row['bytes'] / 1e6:.1f} MB sent" if row["bytes"] else ""
            print(f"{style}  {name}: {1000 * row['seconds']:.1f}{size}", flush=True)
        print_model(style, rows[LOOPBACK]["seconds"], row["bytes"])


if __name__ == "__main__":
    main(*sys.argv[1:])
