"""Several replicas and clusters: what is given from outside, the numbers, the faults."""

import functools
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import forks
import numpy as np
import pytest
import yaml
from conftest import ROOT, STYLES, bits, result, script, tensors
from test_twins import assert_same_bits

from shared import batches, cluster
from shared.console import UserError, quiet_import
from shared.flags import parse

with quiet_import():
    import tensorflow as tf

FLAGS = SimpleNamespace(cluster="", distribution="sync", cluster_timeout=60.0)
WORKERS = ["10.0.0.1:2222", "10.0.0.2:2222"]


def config(workers=WORKERS, type="worker", index=0, **roles):
    return json.dumps(
        {"cluster": {"worker": workers, **roles}, "task": {"type": type, "index": index}}
    )


def read(text):
    return cluster.read(FLAGS, {"TF_CONFIG": text})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "it needs an object `cluster` and an object `task`"),
        (config(type="master"), "got the task type 'master', expected chief, worker, ps"),
        (config(index=2), "got the index 2 of worker, expected 0 to 1"),
        (config(index="1"), "got the index '1' of worker"),
        (config(type="ps"), "this task is a ps, and the cluster has none"),
        (config(boss=WORKERS), "got the role 'boss'"),
        (config(workers="10.0.0.1:2222"), "got '10.0.0.1:2222' for worker, expected a list"),
        (config(workers=["10.0.0.1"]), "got the address '10.0.0.1' of worker 0"),
        (config(workers=["10.0.0.1:99999"]), "expected HOST:PORT"),
        (config(ps=WORKERS[:1]), "worker 0 and ps 0 both have the address 10.0.0.1:2222"),
        (config(chief=["a:1", "b:1"]), "got 2 chiefs, expected one"),
    ],
)
def test_what_does_not_fit_is_refused(text, message):
    with pytest.raises(UserError, match=re.escape(message)):
        read(text)


def test_a_file_has_the_same_json(tmp_path):
    path = tmp_path / "cluster.json"
    path.write_text(config(index=1, ps=["10.0.0.3:2222"]))
    flags = SimpleNamespace(**{**vars(FLAGS), "cluster": str(path)})
    task = cluster.read(flags, {"TF_CONFIG": "{"})  # the file counts
    assert (task.replica, task.is_chief, task.address) == (1, False, WORKERS[1])
    assert task.peers == {"worker 0": WORKERS[0], "ps 0": "10.0.0.3:2222"}


@pytest.mark.parametrize("chief", [{}, {"chief": ["10.0.0.9:1"]}])
def test_tf_config_is_read_as_tensorflow_reads_it(monkeypatch, chief):
    text = config(index=1, ps=["10.0.0.3:2222"], **chief)
    monkeypatch.setenv("TF_CONFIG", text)
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    task = read(text)
    assert task.cluster == resolver.cluster_spec().as_dict()
    assert (task.role, task.index) == (resolver.task_type, resolver.task_id)
    assert task.replica == 1 + len(chief)


@pytest.mark.parametrize(
    ("nodes", "tasks"), [("n[09-11],m", "2(x2),1(x2)"), ("gpu1", "3"), ("b,a[1-2]", "1,2,3")]
)
@pytest.mark.parametrize("rank", [0, 2])
def test_slurm_is_read_as_tensorflow_reads_it(monkeypatch, nodes, tasks, rank):
    count = sum(int(n) * int(k or 1) for n, k in re.findall(r"(\d+)(?:\(x(\d+)\))?", tasks))
    variables = {
        "SLURM_PROCID": str(rank),
        "SLURM_STEP_NUM_TASKS": str(count),
        "SLURM_STEP_NODELIST": nodes,
        "SLURM_STEP_TASKS_PER_NODE": tasks,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
        gpus_per_node=8, gpus_per_task=1, auto_set_gpu=False
    )
    task = cluster.read(FLAGS, variables)
    assert task.cluster == resolver.cluster_spec().as_dict()
    assert (task.role, task.index) == resolver.get_task_info()


def test_slurm_without_srun_is_refused():
    with pytest.raises(UserError, match="SLURM_STEP_NODELIST: got '', expected what srun sets"):
        cluster.read(FLAGS, {"SLURM_PROCID": "0"})


@pytest.mark.parametrize("replicas", [1, 2, 4])
def test_parts_make_the_batch(replicas):
    batch = {"x": np.arange(24).reshape(8, 3), "y": np.arange(8)}
    parts = [batches.part(batch, k, replicas) for k in range(replicas)]
    for name, array in batch.items():
        assert np.array_equal(np.concatenate([part[name] for part in parts]), array)


PRINT = ["-m", "compare", "cluster", "mnist_deep", "--workers=3"]


def test_printed_commands_are_read(run):
    """Each command names its task; TensorFlow's resolver and the program read the same cluster."""
    printed = run(*PRINT, "--ps=1", "--evaluator", "--style=tf1", "--print=shell").stdout
    commands = [line for line in printed.splitlines() if line.startswith("TF_CONFIG=")]
    tasks = [read(shlex.split(line)[0].partition("=")[2]) for line in commands]
    names = [(task.role, task.index) for task in tasks]
    assert names == [("worker", k) for k in range(3)] + [("ps", 0), ("evaluator", 0)]
    assert all(task.cluster == tasks[0].cluster for task in tasks)
    assert "iptables" in printed


def test_printed_manifests(run):
    """What the operator starts: a task of each role; no other pod may reach its port."""
    printed = run(*PRINT, "--ps=1", "--style=tf1", "--print=tfjob", "--max_steps=9").stdout
    job, policy = yaml.safe_load_all(printed)
    specs = job["spec"]["tfReplicaSpecs"]
    assert {role: spec["replicas"] for role, spec in specs.items()} == {"Worker": 3, "PS": 1}
    (container,) = specs["PS"]["template"]["spec"]["containers"]
    command = ["python", "tf1_style/mnist_deep.py", "--distribution=sync", "--max_steps=9"]
    assert container["command"][:4] == command
    assert policy["kind"] == "NetworkPolicy"
    assert policy["spec"]["podSelector"]["matchLabels"]["training.kubeflow.org/job-name"]
    printed = run(*PRINT, "--style=tf2", "--print=slurm").stdout
    assert "#SBATCH --ntasks=3\n" in printed
    assert subprocess.run(["bash", "-n"], input=printed, text=True, check=False).returncode == 0
    refused = run(*PRINT, "--evaluator", "--print=slurm", check=False)
    assert refused.returncode == 2 and "expected workers only" in refused.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--distribution=sync"], "needs a cluster; set TF_CONFIG"),
        (["--replicas=2", "--steps_per_call=9"], "--steps_per_call does not go with"),
        (["--replicas=3", "--batch_size=100"], "a batch of 100 examples cannot be divided"),
        (["--cluster=x"], "--cluster does not go with --distribution=none"),
        (["--sync_batch_norm"], "--sync_batch_norm does not go with --distribution=none"),
    ],
)
def test_flags_that_do_not_fit(run, tmp_path, flags, message):
    process = run(script("tf1_style", "mnist_softmax"), "--dataset=digits", *flags, check=False)
    assert process.returncode == 2
    assert message in process.stderr and len(process.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_vertex_ai_names_the_folders(run, tmp_path):
    """Its variables are the flags' defaults; a folder on the command line counts."""
    names = {
        "AIP_CHECKPOINT_DIR": "checkpoints/",
        "AIP_TENSORBOARD_LOG_DIR": "logs/",
        "AIP_MODEL_DIR": "model/",
    }
    folders = {variable: str(tmp_path / name) for variable, name in names.items()}
    command = [script("tf1_style", "mnist_softmax"), "--dataset=digits", "--max_steps=5"]
    run(*command, f"--export_dir={tmp_path / 'mine'}", **folders)
    assert result(tmp_path / "checkpoints")["status"] == "complete"
    assert list((tmp_path / "logs" / "tf1_style" / "mnist_softmax").glob("events.out.tfevents.*"))
    assert (tmp_path / "mine" / "saved_model.pb").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "logs", "mine"]


def test_buckets_are_the_folders_where_vertex_ai_mounts_them(monkeypatch):
    defaults = {"max_steps": 1, "batch_size": 1, "optimizer": "sgd", "learning_rate": 0.1}
    monkeypatch.setenv("AIP_MODEL_DIR", "gs://bucket/job/model/")
    assert parse(["x"], "", **defaults).export_dir == "/gcs/bucket/job/model/"
    monkeypatch.setenv("AIP_CHECKPOINT_DIR", "s3://bucket/job")
    with pytest.raises(UserError, match="AIP_CHECKPOINT_DIR: flag --run_dir=s3://bucket/job: exp"):
        parse(["x"], "", **defaults)


def mirrored(run, tmp_path, name, *flags):
    """Runs both styles with two replicas; returns the tensors of their checkpoints."""
    found = []
    for style in STYLES:
        run_dir = tmp_path / f"{style}-{name}-mirrored"
        command = [script(style, name), "--replicas=2", "--threads=1", f"--run_dir={run_dir}"]
        run(*command, *flags)
        found.append(tensors(run_dir))
    return found


def on_cluster(run, tmp_path, name, *flags):
    """Runs both styles on two processes each; returns the tensors of their checkpoints."""
    run("-m", "compare", "cluster", name, "--threads=1", *flags)
    return [tensors(tmp_path / "runs" / style / name) for style in STYLES]


def by_bits(arrays):
    return {name: bits(array) for name, array in arrays.items()}


def test_two_processes_have_the_bits_of_one(run, tmp_path):
    """Two workers; two replicas in one process; in both styles."""
    flags = ["--dataset=digits", "--max_steps=20", "--eval_every=0", "--optimizer=adam", "--nolog"]
    ones = mirrored(run, tmp_path, "mnist_softmax", *flags)
    twos = on_cluster(run, tmp_path, "mnist_softmax", *flags)
    for one, two in zip(ones, twos):
        assert by_bits(one) == by_bits(two)
    assert_same_bits(*twos)


@pytest.mark.proof
@pytest.mark.parametrize(
    ("style", "tolerances", "verdict"),
    [
        ("tf1_style", ["--rtol=3e-5", "--atol=3e-5"], "within tolerance"),
        ("tf2_style", [], "bit-identical"),
    ],
)
def test_three_workers_against_three_replicas(run, style, tolerances, verdict):
    """The accumulators of TensorFlow 1 add in the order of arrival, so the last bits differ.

    The order is another in each run. The largest differences of nine runs are in
    docs/distribution.md.
    """
    flags = ["--dataset=digits", "--max_steps=300", "--batch_size=48", "--eval_every=0", "--nolog"]
    flags += ["--threads=1", "--trace_every=50"]
    one = ["--replicas=3", "--run_dir=one", "--trace_file=one.npz"]
    run(script(style, "mnist_softmax"), *flags, *one)
    three = ["--workers=3", f"--style={style[:3]}", "--run_dir=three", "--trace_file=three.npz"]
    run("-m", "compare", "cluster", "mnist_softmax", *three, *flags)
    process = run("-m", "compare", "parity", "one.npz", "three.npz", *tolerances)
    assert process.stdout.startswith(verdict)


@pytest.mark.proof
def test_asynchronous_training_on_one_core(environment, tmp_path):
    """The servers have enough threads to wait for each other; with one they waited for ever."""
    command = [sys.executable, "-m", "compare", "cluster", "mnist_softmax", "--style=tf2"]
    flags = ["--distribution=async", "--workers=1", "--dataset=digits", "--max_steps=50", "--nolog"]
    process = subprocess.run(
        [*command, *flags],
        cwd=tmp_path,
        env=environment,
        check=False,
        timeout=150,
        preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    )
    assert process.returncode == 0


def test_a_cluster_has_a_network_of_its_own(environment, tmp_path):
    """Nobody outside reaches the servers of `compare cluster`."""
    if subprocess.run(
        ["unshare", "--net", "ip", "link", "set", "lo", "up"], check=False
    ).returncode:
        pytest.skip("network namespaces are not permitted")
    command = [sys.executable, "-m", "compare", "cluster", "mnist_softmax", "--style=tf1"]
    flags = ["--dataset=digits", "--max_steps=100000", "--run_dir=run"]
    with subprocess.Popen([*command, *flags], cwd=tmp_path, env=environment) as process:
        try:
            while not (tmp_path / "run" / "result.json").exists():
                assert process.poll() is None
                time.sleep(0.1)
            tasks = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            assert len(tasks) == 2
            networks = {os.readlink(f"/proc/{pid}/ns/net") for pid in tasks}
            assert len(networks) == 1 and os.readlink("/proc/self/ns/net") not in networks
            interfaces = Path(f"/proc/{tasks[0]}/net/dev").read_text().splitlines()[2:]
            assert [line.partition(":")[0].strip() for line in interfaces] == ["lo"]
        finally:
            process.send_signal(signal.SIGINT)


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("mnist_deep", ["--dataset=digits", "--max_steps=1000"]),
        (
            "mnist_convnet",
            ["--dataset=digits", "--max_steps=1000", "--batch_norm", "--keep_prob=0.7"]
            + ["--last_batch=filled"],
        ),
        ("stories_qa", ["--max_steps=1000", "--last_batch=filled"]),
    ],
)
def test_same_bits_with_dropout_batch_norm_and_embeddings(run, tmp_path, name, flags):
    flags = [*flags, "--eval_every=0", "--nolog"]
    ones = mirrored(run, tmp_path, name, *flags)
    twos = on_cluster(run, tmp_path, name, *flags)
    for one, two in zip(ones, twos):
        assert by_bits(one) == by_bits(two)
    assert_same_bits(*twos)


def test_a_cluster_of_one_trains_as_one_machine(run, tmp_path):
    """It starts no server, so a taken port does not matter."""
    command = [script("tf2_style", "mnist_softmax"), "--dataset=digits", "--max_steps=5", "--nolog"]
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = "{}:{}".format(*other.getsockname())
        text = config(workers=[address])
        run(*command, "--run_dir=one", "--distribution=sync", TF_CONFIG=text)
    run(*command, "--run_dir=none")
    assert by_bits(tensors(tmp_path / "one")) == by_bits(tensors(tmp_path / "none"))


BATCH_NORM = ["--dataset=digits", "--max_steps=20", "--batch_norm", "--last_batch=filled"]
BATCH_NORM += ["--batch_size=64", "--eval_every=0", "--nolog", "--optimizer=sgd"]


@pytest.mark.proof
def test_synchronised_batch_norm_of_both_styles(run, tmp_path):
    ones = mirrored(run, tmp_path, "mnist_convnet", *BATCH_NORM, "--sync_batch_norm")
    assert sorted(map(bits, ones[0].values())) == sorted(map(bits, ones[1].values()))
    twos = on_cluster(run, tmp_path, "mnist_convnet", *BATCH_NORM, "--sync_batch_norm")
    for one, two in zip(ones, twos):
        assert by_bits(one) == by_bits(two)


@pytest.mark.proof
@pytest.mark.parametrize("style", STYLES)
def test_synchronised_batch_norm_is_that_of_the_whole_batch(run, tmp_path, style):
    """Its averages after a step differ from those of one machine by rounding only."""
    command = [script(style, "mnist_convnet"), *BATCH_NORM, "--max_steps=1", "--threads=1"]
    averages = {}
    for name, flags in (
        ("whole", []),
        ("parts", ["--replicas=2"]),
        ("synced", ["--replicas=2", "--sync_batch_norm"]),
    ):
        run(*command, f"--run_dir={name}", *flags)
        found = tensors(tmp_path / name)
        averages[name] = [found[key] for key in sorted(found) if re.search("(mean|variance)$", key)]
    pairs = {name: zip(averages["whole"], averages[name]) for name in ("parts", "synced")}
    most = {name: max(np.abs(a - b).max() for a, b in pair) for name, pair in pairs.items()}
    assert most["synced"] < 5e-6
    assert most["parts"] > 1e-3


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Job:
    """The tasks of a cluster, each a process; ends them at the end."""

    def __init__(self, style, environment, run_dir, *flags, roles=("worker", "worker")):
        ports = iter(free_ports(len(roles)))
        hosts = {}
        for role in roles:
            hosts.setdefault(role, []).append(f"127.0.0.1:{next(ports)}")
        self.addresses = [(role, k) for role in hosts for k in range(len(hosts[role]))]
        hosts.pop("evaluator", None)
        self.command = [
            str(script(style, "mnist_softmax")),
            "--dataset=digits",
            "--distribution=sync",
        ]
        self.command += ["--threads=1", "--eval_every=0", "--nolog", f"--run_dir={run_dir}"]
        self.command += flags
        self.hosts, self.environment, self.run_dir = hosts, environment, run_dir
        self.tasks, self.streams = {}, {}
        self.logs = Path(tempfile.mkdtemp(dir=run_dir.parent))

    def start(self, *numbers):
        for number in numbers or range(len(self.addresses)):
            role, index = self.addresses[number]
            task = {"cluster": self.hosts, "task": {"type": role, "index": index}}
            env = dict(self.environment, TF_CONFIG=json.dumps(task))
            self.streams[number] = [str(self.logs / f"{number}.{name}") for name in ("out", "err")]
            self.tasks[number] = forks.start(
                self.command, self.run_dir.parent, env, self.streams[number]
            )

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        for task in self.tasks.values():
            task.kill()
            task.join()

    def text(self, number, stream=0):
        """Returns what a task has written to stdout, or to stderr if `stream` is 1."""
        return Path(self.streams[number][stream]).read_text()

    def ends(self, number, seconds=None):
        """Waits for a task; returns its exit code and the only line of its stderr, if any."""
        self.tasks[number].join(seconds)
        error = self.text(number, 1).splitlines()
        lines = [line for line in error if not line.startswith("warning: ")]
        assert len(lines) < 2, error
        return self.tasks[number].exitcode, "".join(lines)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("style", ["tf1_style", pytest.param("tf2_style", marks=pytest.mark.proof)])
def test_a_cluster_that_never_completes(environment, tmp_path, style, number):
    """A task alone names the other one, which does not answer, and ends."""
    with Job(style, environment, tmp_path / "run", "--cluster_timeout=4") as job:
        job.start(number)
        code, line = job.ends(number)
    assert code == cluster.LOST
    assert re.match(
        rf"worker {1 - number} \(127.0.0.1:\d+\) does not answer for \d+ s; this task, worker "
        rf"{number}, ends too",
        line,
    )


@pytest.mark.proof
@pytest.mark.parametrize("style", STYLES)
def test_a_lost_worker_ends_the_chief_which_resumes_to_the_same_bits(environment, tmp_path, style):
    """A worker is killed; all start again with the same run folder."""
    flags = ["--max_steps=600", "--save_every=50"]
    with Job(style, environment, tmp_path / "run", *flags) as job:
        job.start(0, 1)
        wait_for_step(tmp_path / "run", job)
        job.tasks[1].kill()
        code, line = job.ends(0)
        assert code == cluster.LOST and line.startswith("lost worker 1 (127.0.0.1:")
    before = result(tmp_path / "run")
    assert before["status"] == "running" and before["step"]
    # A resumed run knows its --max_steps, and tells the other tasks. Of a complete run, all end.
    for folder, given in (("run", ["--save_every=50"]), ("whole", flags), ("whole", flags)):
        with Job(style, environment, tmp_path / folder, *given) as job:
            job.start()
            assert [job.ends(number)[0] for number in (0, 1)] == [0, 0]
    assert by_bits(tensors(tmp_path / "run")) == by_bits(tensors(tmp_path / "whole"))


def step_of(run_dir):
    """Returns the step of the newest checkpoint of a run; -1 if the run has not begun."""
    return result(run_dir)["step"] if (run_dir / "result.json").exists() else -1


def wait_for_step(run_dir, job):
    """Waits until a checkpoint is saved."""
    while step_of(run_dir) < 1:
        assert all(task.is_alive() for task in job.tasks.values())
        time.sleep(0.1)


def is_listening(job, number):
    """Says whether a task has its port, and the cluster meets or trains."""
    role, index = job.addresses[number]
    if role not in job.hosts:  # an evaluator has none
        return True
    return cluster.answers(job.hosts[role][index]) is not None


def is_saving(job):
    """Says whether a checkpoint is being written after the first one."""
    folder = job.run_dir / "checkpoints"
    return step_of(job.run_dir) > 0 and any(folder.glob("*/*temp*"))


# When a task is killed: a function of the job and the task's number.
MOMENTS = {
    "start": lambda job, number: True,
    "port": is_listening,
    "begun": lambda job, number: step_of(job.run_dir) >= 0,
    "first": lambda job, number: step_of(job.run_dir) > 0,
    "saving": lambda job, number: is_saving(job) or step_of(job.run_dir) >= LAST,
    "middle": lambda job, number: step_of(job.run_dir) >= LAST // 2,
    "last": lambda job, number: step_of(job.run_dir) >= LAST,
    "complete": lambda job, number: result_is_complete(job),
}
LAST = 400  # steps
TWO = ("worker", "worker")
VICTIMS = [
    ("tf1_style", "sync", TWO, 0),
    ("tf1_style", "sync", TWO, 1),
    ("tf1_style", "sync", ("worker", "worker", "ps"), 2),
    ("tf1_style", "sync", ("worker", "worker", "evaluator"), 2),
    ("tf2_style", "sync", TWO, 0),
    ("tf2_style", "sync", TWO, 1),
    ("tf2_style", "async", ("chief", "worker", "ps"), 2),
    ("tf2_style", "sync", ("worker", "worker", "evaluator"), 2),
]
KILLS = [
    pytest.param(*victim, moment, id=f"{victim[0]}-{victim[2][victim[3]]}{victim[3]}-{moment}")
    for moment in MOMENTS
    for victim in VICTIMS
]


def result_is_complete(job):
    return step_of(job.run_dir) >= 0 and result(job.run_dir)["status"] == "complete"


def softmax_job(style, distribution, roles, environment, run_dir):
    flags = [f"--distribution={distribution}", f"--max_steps={LAST}", "--save_every=40"]
    return Job(style, environment, run_dir, *flags, "--cluster_timeout=20", roles=roles)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Returns the bits of an uninterrupted run of a style; each style runs once."""

    @functools.cache
    def bits_of(style):
        run_dir = tmp_path_factory.mktemp(style) / "run"
        environment = dict(os.environ, PYTHONPATH=str(ROOT))
        with softmax_job(style, "sync", TWO, environment, run_dir) as job:
            job.start()
            assert [job.ends(number)[0] for number in (0, 1)] == [0, 0]
        return by_bits(tensors(run_dir))

    return bits_of


@pytest.mark.full
@pytest.mark.parametrize(("style", "distribution", "roles", "victim", "moment"), KILLS)
def test_a_killed_task(environment, tmp_path, whole, style, distribution, roles, victim, moment):
    """All others end in time, in a line that names it; nothing saved is lost; all go on."""
    run_dir = tmp_path / "run"
    with softmax_job(style, distribution, roles, environment, run_dir) as job:
        job.start()
        while not MOMENTS[moment](job, victim):
            assert job.tasks[0].is_alive() or result_is_complete(job), job.text(0, 1)
            time.sleep(0.01)
        saved = step_of(run_dir)
        job.tasks[victim].kill()
        killed = time.monotonic()
        others = [number for number in job.tasks if number != victim]
        ends = {number: job.ends(number, 120) for number in others}
        print(f"\nkilled at step {saved}; {time.monotonic() - killed:.1f} s; {ends}")
    name = "{} {}".format(*job.addresses[victim])
    if name != "evaluator 0":  # on it, nobody waits
        is_late = saved >= LAST
        for number, (code, line) in ends.items():
            # A worker of ParameterServerStrategy does not know why its chief has ended.
            is_served = distribution == "async" and number and "has ended" in line
            was_done = code == 0 and (is_late or is_served)
            # TensorFlow's constructor lets no thread run: see `cluster.meet`.
            was_meeting = moment == "port" and style == "tf2_style" and code == -signal.SIGKILL
            expected = was_done or was_meeting or code == cluster.LOST
            assert expected, (job.addresses[number], code, line)
            assert was_done or name in line or number != others[0], line
            assert was_done or "ends too" in line
    else:
        assert {code for code, _ in ends.values()} == {0}
    again(style, distribution, roles, environment, run_dir, saved)
    if distribution == "sync":
        assert by_bits(tensors(run_dir)) == whole(style)


def again(style, distribution, roles, environment, run_dir, saved):
    """Starts all tasks again, unless the run is complete; it resumes at what was saved."""
    if step_of(run_dir) >= 0 and result(run_dir)["status"] == "complete":
        return
    with softmax_job(style, distribution, roles, environment, run_dir) as job:
        job.start()
        assert {job.ends(number, 120)[0] for number in job.tasks} == {0}
        if saved > 0:
            (step,) = re.findall(r"^resumed from step (\d+) in", job.text(0), re.MULTILINE)
            assert int(step) >= saved
    assert result(run_dir)["status"] == "complete"


@pytest.mark.full
@pytest.mark.parametrize("victim", [0, 1])
@pytest.mark.parametrize("style", STYLES)
def test_a_paused_task(environment, tmp_path, whole, style, victim):
    """A pause that is shorter than --cluster_timeout changes nothing; a longer one ends all."""
    for seconds in (8, 30):
        run_dir = tmp_path / f"run{seconds}"
        with softmax_job(style, "sync", TWO, environment, run_dir) as job:
            job.start()
            wait_for_step(run_dir, job)
            os.kill(job.tasks[victim].pid, signal.SIGSTOP)
            paused = time.monotonic()
            if seconds == 8:
                time.sleep(seconds)
                os.kill(job.tasks[victim].pid, signal.SIGCONT)
                assert [job.ends(number)[0] for number in (0, 1)] == [0, 0]
                assert by_bits(tensors(run_dir)) == whole(style)
                continue
            code, line = job.ends(1 - victim, seconds)
            print(f"\nended {time.monotonic() - paused:.1f} s after the pause: {line}")
            assert code == cluster.LOST
            assert re.match(rf"worker {victim} \(.*\) does not answer for 2\d s; this task", line)
            time.sleep(max(0, paused + seconds - time.monotonic()))
            os.kill(job.tasks[victim].pid, signal.SIGCONT)
            assert job.ends(victim, 60)[0] == cluster.LOST
        again(style, "sync", TWO, environment, run_dir, step_of(run_dir))
        assert by_bits(tensors(run_dir)) == whole(style)


@pytest.mark.full
@pytest.mark.parametrize("style", STYLES)
def test_a_taken_port(environment, tmp_path, style):
    """The task that finds its port taken names it; the other one ends too."""
    with softmax_job(style, "sync", TWO, environment, tmp_path / "run") as job:
        host, _, port = job.hosts["worker"][1].rpartition(":")
        with socket.socket() as other:
            other.bind((host, int(port)))
            other.listen()
            job.start()
            code, line = job.ends(1, 60)
        assert code == 2 and re.match(
            rf"no server at {host}:{port} for worker 1: .*name a fr", line
        )
        code, line = job.ends(0, 60)
        assert code in (cluster.LOST, -signal.SIGKILL)  # the latter while TensorFlow connects
        assert line.startswith(f"worker 1 ({host}:{port}) does not answ")


@pytest.mark.full
@pytest.mark.parametrize("style", STYLES)
def test_two_jobs_on_one_run_folder(environment, tmp_path, whole, style):
    """The second job ends and says why; the first one does not notice."""
    run_dir = tmp_path / "run"
    with softmax_job(style, "sync", TWO, environment, run_dir) as first:
        first.start()
        wait_for_step(run_dir, first)
        with softmax_job(style, "sync", TWO, environment, run_dir) as second:
            second.start()
            code, line = second.ends(0, 60)
            assert code == 2 and "another process works in" in line
            code, line = second.ends(1, 60)
            assert code == cluster.LOST and "worker 0" in line
        assert [first.ends(number)[0] for number in (0, 1)] == [0, 0]
    assert by_bits(tensors(run_dir)) == whole(style)


def graph_of_one_weight(num_tokens):
    """Returns a session of one of two replicas, with its train_op, as `num_tokens` starts it."""
    v1 = tf.compat.v1
    step = v1.train.create_global_step()
    weight = v1.Variable(0.0, use_resource=False)
    optimizer = v1.train.SyncReplicasOptimizer(v1.train.GradientDescentOptimizer(1.0), 2, 2)
    pairs = [(tf.ones([]), weight)]
    train_op = optimizer.apply_gradients(pairs, global_step=step)
    session = v1.train.MonitoredTrainingSession(
        hooks=[optimizer.make_session_run_hook(True, num_tokens=num_tokens)]
    )
    return session, train_op, step


def test_start_tokens_let_one_replica_contribute_twice():
    """Trap (a): with the default num_tokens=-1 one of two replicas makes a step alone."""
    options = tf.compat.v1.RunOptions(timeout_in_ms=1000)
    with tf.Graph().as_default():
        session, train_op, step = graph_of_one_weight(num_tokens=-1)
        session.run(train_op)
        session.run(train_op)  # the second gradient of the same replica completes the step
        session.run(train_op)
        assert session.run(step) == 1
    with tf.Graph().as_default():
        session, train_op, step = graph_of_one_weight(num_tokens=0)
        with pytest.raises(tf.errors.DeadlineExceededError):
            session.run(train_op, options=options)
        assert session.run(step) == 0


def test_sparse_accumulators_average_each_row_over_those_that_have_it():
    """Trap (b): a row that one of two replicas has keeps its whole gradient, not half of it."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        sparse = v1.SparseConditionalAccumulator(tf.float32, shape=(3, 1))
        dense = v1.ConditionalAccumulator(tf.float32, shape=(3, 1))
        for rows in ([0, 1], [1, 2]):
            gradient = tf.IndexedSlices(tf.ones([2, 1]), tf.constant(rows, tf.int64), [3, 1])
            session.run(sparse.apply_indexed_slices_grad(gradient))
            session.run(dense.apply_grad(tf.convert_to_tensor(gradient)))
        stock = session.run(tf.convert_to_tensor(sparse.take_indexed_slices_grad(2)))
        mean = session.run(dense.take_grad(2))
    assert stock.ravel().tolist() == [1, 1, 1]
    assert mean.ravel().tolist() == [0.5, 1, 0.5]


@pytest.mark.proof
def test_servers_listen_on_every_interface():
    """Whatever address the cluster names; hence the warning, and the rules in the manifests."""
    (port,) = free_ports(1)
    server = tf.distribute.Server({"worker": [f"127.0.0.1:{port}"]}, "worker", 0)
    tables = "".join(Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6"))
    local = re.findall(rf"^ *\d+: ([0-9A-F]+):{port:04X} 0+:0000 0A", tables, re.MULTILINE)
    assert local and set("".join(local)) == {"0"}, server


@pytest.mark.parametrize(("names", "lines"), [(["lo"], 0), (["lo", "eth0", "wlan0"], 1)])
def test_a_task_warns_of_its_open_port(monkeypatch, capsys, names, lines):
    """In one line, if the machine has an interface other than loopback."""
    monkeypatch.setattr(socket, "if_nameindex", lambda: list(enumerate(names)))
    cluster.warn_of_open_port(read(config()))
    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == lines
    assert all("port 2222 of this machine, on any interface" in line for line in printed)
