"""The cluster that a program is one task of: which tasks there are, and which one this is.

The cluster is given from outside: by --cluster=FILE or the environment variable TF_CONFIG (both
hold the same JSON, as TensorFlow defines it), or by the variables that Slurm sets for each task.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from typing import Callable, Iterator, Mapping, NamedTuple

from absl.flags import FlagValues

from shared.console import StopRun, UserError, print_line

ROLES = ("chief", "worker", "ps", "evaluator")
LOST = 4  # the exit code of a task that has lost another one
REMEDY = "; start all tasks again with the same --run_dir to resume"
DELAY = 5.0  # seconds in which a watch certainly has named a lost task
SLURM_PORT = 8888  # the first port on each machine, as in TensorFlow's SlurmClusterResolver
_EXPECTED = (
    'expected JSON such as {"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


class Task(NamedTuple):
    """One task of a cluster.

    Attributes
    ----------
    cluster : {role: addresses}, such as {"worker": ["10.0.0.1:2222"]}, without the evaluator.
    role, index : which task of the cluster this process is.
    timeout : seconds after which a task that does not answer is lost.
    """

    cluster: Mapping[str, list]
    role: str
    index: int
    timeout: float

    @property
    def replicas(self) -> list[tuple[str, int]]:
        """The tasks that train, as (role, index); the chief is the first."""
        return [(role, k) for role in ("chief", "worker") for k in range(self.count(role))]

    @property
    def replica(self) -> int:
        """The number of this task among `replicas`."""
        return self.replicas.index((self.role, self.index))

    @property
    def is_chief(self) -> bool:
        """Whether this task saves and reports; without a chief that is worker 0."""
        return (self.role, self.index) == self.replicas[0]

    def count(self, role: str) -> int:
        """Returns how many tasks of a role there are."""
        return len(self.cluster.get(role, ()))

    @property
    def address(self) -> str:
        """This task's own address; empty for an evaluator."""
        return "" if self.role == "evaluator" else self.cluster[self.role][self.index]

    @property
    def peers(self) -> dict[str, str]:
        """The other tasks: names such as "worker 1" to addresses."""
        return {
            f"{role} {k}": address
            for role, addresses in self.cluster.items()
            for k, address in enumerate(addresses)
            if (role, k) != (self.role, self.index)
        }

    @property
    def chief(self) -> tuple[str, str]:
        """The name and the address of the chief."""
        role, index = self.replicas[0]
        return f"{role} {index}", self.cluster[role][index]


def read(flags: FlagValues, environment: Mapping[str, str] = os.environ) -> Task:
    """Returns the task that this process is.

    Parameters
    ----------
    flags : the parsed flags; --cluster, --cluster_timeout and --distribution are read.
    environment : where TF_CONFIG or Slurm's variables are.

    Raises
    ------
    UserError : no cluster is given, or it is not one.
    """
    if flags.cluster:
        source = f"--cluster={flags.cluster}"
        try:
            with open(flags.cluster, encoding="utf-8") as file:
                config = _parse(file.read(), source)
        except (OSError, UnicodeError) as error:
            raise UserError(f"{source}: {getattr(error, 'strerror', None) or error}; {_EXPECTED}")
    elif environment.get("TF_CONFIG"):
        source = "TF_CONFIG"
        config = _parse(environment[source], source)
    elif "SLURM_PROCID" in environment:
        source = "SLURM_PROCID"
        config = slurm(environment)
    else:
        raise UserError(
            f"--distribution={flags.distribution} needs a cluster; set TF_CONFIG, give "
            "--cluster=FILE, or start the program with srun; on one machine python -m compare "
            "cluster starts all tasks"
        )
    task = _checked(config, source, flags.cluster_timeout)
    if flags.distribution == "sync" and task.count("worker") + task.count("chief") < 1:
        raise UserError(f"{source}: no chief and no worker; --distribution=sync needs one")
    return task


def _parse(text: str, source: str) -> dict:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{source}: not JSON ({error}); {_EXPECTED}")
    parts = [config.get(name) for name in ("cluster", "task")] if isinstance(config, dict) else []
    if len(parts) != 2 or not all(isinstance(part, dict) for part in parts):
        raise UserError(f"{source}: it needs an object `cluster` and an object `task`; {_EXPECTED}")
    return config


def _checked(config: dict, source: str, timeout: float) -> Task:
    """Returns the task that a configuration describes; raises UserError if it does not fit."""
    cluster, owners = {}, {}
    for role, addresses in config["cluster"].items():
        if role not in ROLES:
            raise UserError(f"{source}: got the role {role!r}, expected {', '.join(ROLES)}")
        if not isinstance(addresses, list) or not addresses:
            raise UserError(f"{source}: got {addresses!r} for {role}, expected a list of addresses")
        for index, address in enumerate(addresses):
            _check_address(address, f"{role} {index}", source)
            if address in owners:
                raise UserError(
                    f"{source}: {owners[address]} and {role} {index} both have the address "
                    f"{address}; give each task its own"
                )
            owners[address] = f"{role} {index}"
        if role == "chief" and len(addresses) > 1:
            raise UserError(f"{source}: got {len(addresses)} chiefs, expected one")
        if role != "evaluator":  # it only reads checkpoints
            cluster[role] = addresses
    if not {"chief", "worker"} & set(cluster):
        raise UserError(f"{source}: the cluster has no chief and no worker; {_EXPECTED}")
    task = config["task"]
    role, index = task.get("type"), task.get("index")
    if role not in ROLES:
        raise UserError(f"{source}: got the task type {role!r}, expected {', '.join(ROLES)}")
    count = 1 if role == "evaluator" else len(cluster.get(role, ()))
    if not count:
        raise UserError(f"{source}: this task is a {role}, and the cluster has none")
    if type(index) is not int or not 0 <= index < count:
        raise UserError(
            f"{source}: got the index {index!r} of {role}, expected 0"
            + (f" to {count - 1}" if count > 1 else "")
        )
    return Task(cluster, role, index, timeout)


def _check_address(address: object, name: str, source: str) -> None:
    match = re.fullmatch(r"(?:[\w.-]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})", str(address), re.ASCII)
    if not isinstance(address, str) or not match or not 0 < int(match[1]) < 65536:
        raise UserError(
            f"{source}: got the address {address!r} of {name}, expected HOST:PORT such as "
            "10.0.0.1:2222"
        )


def slurm(environment: Mapping[str, str]) -> dict:
    """Returns the cluster of a Slurm step, as TF_CONFIG describes one: every task is a worker.

    The tasks of a machine have the ports from `SLURM_PORT` on. Machines are sorted by name, as
    TensorFlow's `SlurmClusterResolver` sorts them.

    Raises
    ------
    UserError : a variable is missing, or does not fit.
    """

    def variable(name, pattern):
        text = environment.get(name, "")
        if not re.fullmatch(pattern, text, re.ASCII):
            raise UserError(f"{name}: got {text!r}, expected what srun sets; start with srun")
        return text

    rank = int(variable("SLURM_PROCID", r"\d{1,6}"))
    hosts = _expand(variable("SLURM_STEP_NODELIST", r"[\w.,\[\]-]+"))
    count = r"\d{1,4}(\(x\d{1,6}\))?"
    tasks = variable("SLURM_STEP_TASKS_PER_NODE", f"{count}(,{count})*")
    counts = []
    for number, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", tasks):
        counts += [int(number)] * int(times or 1)
    if len(hosts) != len(counts):
        raise UserError(
            f"SLURM_STEP_TASKS_PER_NODE: got {tasks!r} for {len(hosts)} machines, expected one "
            "number for each; start with srun"
        )
    addresses = [
        f"{host}:{SLURM_PORT + k}"
        for host, count in sorted(zip(hosts, counts))
        for k in range(count)
    ]
    return {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": rank}}


def _expand(nodes: str) -> list[str]:
    """Expands Slurm's list of machines, such as n[01-02,5],m to n01, n02, n5, m."""
    hosts = []
    for prefix, numbers in re.findall(r"([^,\[\]]+)(?:\[([^\]]*)\])?", nodes):
        for part in filter(None, numbers.split(",")):
            first, _, last = part.partition("-")
            if not first.isdecimal() or (last and not last.isdecimal()):
                raise UserError(f"SLURM_STEP_NODELIST: got {nodes!r}; start with srun")
            for number in range(int(first), int(last or first) + 1):
                hosts.append(f"{prefix}{number:0{len(first)}d}")
        if not numbers:
            hosts.append(prefix)
    return hosts


def answers(address: str, seconds: float = 2.0) -> bool | None:
    """Says whether a TensorFlow server answers at an address; None if the address refuses.

    A server of gRPC begins each connection with its settings, a frame of HTTP/2. The kernel accepts
    a connection for a process that is paused, but no settings come.
    """
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), seconds) as connection:
            connection.settimeout(seconds)
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
            return bool(connection.recv(9))
    except ConnectionRefusedError:
        return None
    except OSError:
        return False


def warn_of_open_port(task: Task) -> None:
    """Prints one line if others than this machine may reach the task's port."""
    if task.address and any(name != "lo" for _, name in socket.if_nameindex()):
        port = task.address.rpartition(":")[2]
        print_line(
            f"warning: TensorFlow's server obeys anyone who reaches port {port} of this machine, "
            "on any interface; let a firewall admit only the tasks of the cluster",
            sys.stderr,
        )


def no_server(task: Task, cause: str) -> UserError:
    """Returns the error of a task whose server cannot start."""
    return UserError(
        f"no server at {task.address} for {task.role} {task.index}: {cause}; another process may "
        "have the port, name a free one"
    )


def wait_until(is_true: Callable[[], bool]) -> None:
    """Waits until a function returns true; it is called ten times a second."""
    while not is_true():
        time.sleep(0.1)


def meet(task: Task) -> None:
    """Waits, before TensorFlow's server starts, until every other task has started.

    A strategy of TensorFlow 2 waits for the other tasks in its constructor, and lets no other
    thread run meanwhile. So the waiting is done here: this task listens at its own port, and looks
    for the others, which listen in the same way or already run their servers.

    Raises
    ------
    StopRun : exit 4: a task has not started within --cluster_timeout.
    UserError : the port is not free.
    """
    end = time.monotonic() + task.timeout
    with socket.socket() as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            own.bind(("", int(task.address.rpartition(":")[2])))
            own.listen(128)
        except OSError as error:
            raise no_server(task, error.strerror)
        for name, address in task.peers.items():
            host, _, port = address.rpartition(":")
            while True:
                try:
                    socket.create_connection((host.strip("[]"), int(port)), 2.0).close()
                    break
                except OSError:
                    if time.monotonic() > end:
                        raise StopRun(
                            f"{name} ({address}) does not answer for {task.timeout:.0f} s; this "
                            f"task, {task.role} {task.index}, ends too{REMEDY}",
                            exit_code=LOST,
                        )
                    time.sleep(0.1)
    _start_guard(task)


_guards = []  # the process of the guard, until the strategy is made


def _start_guard(task: Task) -> None:
    """Starts a process that ends this one if another task is lost before its server runs.

    TensorFlow then waits for ever in the strategy's constructor, and no thread of this process
    runs. So the exit code is that of SIGKILL; the line is the usual one.
    """
    guarded = os.getpid()
    guard = os.fork()
    if guard:
        _guards.append(guard)
        return
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.closerange(3, 65536)  # among them the lock of the run folder
        last = dict.fromkeys(task.peers, time.monotonic())
        while os.getppid() == guarded:
            for name, address in task.peers.items():
                if answers(address):
                    last[name] = time.monotonic()
                silence = time.monotonic() - last[name]
                if silence > task.timeout + 1 and os.getppid() == guarded:
                    _print_lost(task, f"{name} ({address}) does not answer for {silence:.0f} s")
                    os.kill(guarded, signal.SIGKILL)
                    return
            time.sleep(0.2)
    finally:
        os._exit(0)


def met() -> None:
    """Ends what `meet` has begun: the strategy is made."""
    for guard in _guards:
        os.kill(guard, signal.SIGKILL)
        os.waitpid(guard, 0)
    del _guards[:]


def _print_lost(task: Task, message: str, remedy: str = REMEDY) -> None:
    print_line(f"{message}; this task, {task.role} {task.index}, ends too{remedy}", sys.stderr)


def end_after_chief(task: Task) -> None:
    """Waits until the chief has tested the model, which may need this task, and ends the process.

    It ends at once, because TensorFlow's destructors may wait for the chief for ever.
    """
    _, address = task.chief
    end = time.monotonic() + task.timeout
    while time.monotonic() < end:
        answer = answers(address)
        if answer is None:
            break
        if answer:
            end = time.monotonic() + task.timeout
        time.sleep(0.2)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


@contextlib.contextmanager
def watching_servers(task: Task) -> Iterator[None]:
    """Watches the servers that hold the variables, while the chief tests the model."""
    servers = [name for name in task.peers if name.startswith("ps ")]
    watch = Watch(task, only=servers, have_answered=True)
    try:
        yield
    except Exception:
        time.sleep(DELAY)
        raise
    finally:
        watch.stop()


class Watch:
    """Ends this process, with exit code 4 and one line, when another task is lost.

    TensorFlow's own calls may wait for a lost task for ever. The watch asks every other task once a
    second whether it answers. A task that has answered and then refuses is gone. One that is silent
    for --cluster_timeout, from the start or later, is lost too. Use it as a context manager.
    """

    def __init__(
        self,
        task: Task,
        only: list | None = None,
        is_lost_an_error: bool = True,
        is_over: Callable[[], bool] = lambda: False,
        have_answered: bool = False,
    ):
        """Starts to watch all other tasks, or `only` those of these names.

        If `is_lost_an_error` is false, a task that is gone may have ended as it should. This
        process then ends with exit code 0. It does not end if `is_over` returns true. A task that
        refuses from the start is gone if it is known that all `have_answered` before.
        """
        self._peers = {name: task.peers[name] for name in (task.peers if only is None else only)}
        self._task = task
        self._is_lost_an_error = is_lost_an_error
        self._is_over = is_over
        self._known = {*self._peers} if have_answered else set()
        self._stopped = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.stop()

    def stop(self) -> None:
        """Stops watching, because the work that needs all tasks is done."""
        self._stopped.set()

    @contextlib.contextmanager
    def explaining(self, *error_classes: type) -> Iterator[None]:
        """Waits for the watch to name the lost task when TensorFlow's call fails without it."""
        try:
            yield
        except error_classes as error:
            time.sleep(DELAY)
            self._end(f"the cluster failed: {' '.join(str(error).split())[:300]}")
        except UserError as error:
            if isinstance(error.__context__, error_classes):  # such as a checkpoint that failed
                time.sleep(DELAY)
            raise

    def _run(self) -> None:
        last = dict.fromkeys(self._peers, time.monotonic())
        refused = dict.fromkeys(self._peers, 0)
        while not self._stopped.wait(0.5):
            for name, address in self._peers.items():
                answer = answers(address)
                if answer:
                    self._known.add(name)
                    last[name] = time.monotonic()
                refused[name] = refused[name] + 1 if answer is None else 0
                silence = time.monotonic() - last[name]
                if refused[name] >= 2 and name in self._known:
                    if not self._is_lost_an_error:
                        self._end(f"{name} ({address}) has ended", exit_code=0)
                    self._end(f"lost {name} ({address})")
                elif silence > self._task.timeout:
                    self._end(f"{name} ({address}) does not answer for {silence:.0f} s")

    def _end(self, message: str, exit_code: int = LOST) -> None:
        if not self._stopped.is_set() and not self._is_over():
            _print_lost(self._task, message, REMEDY if exit_code else "")
            os._exit(exit_code)  # TensorFlow's threads may wait for ever
