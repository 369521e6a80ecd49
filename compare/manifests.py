"""Texts that start a cluster elsewhere, for compare cluster --print."""

import json
import shlex

from shared.cluster import SLURM_PORT
from shared.console import UserError

KINDS = ("tfjob", "slurm", "shell")
PORT = 2222  # the port that Kubeflow gives each task
MACHINES = "10.0.0."  # an example; put your own addresses


def text(kind: str, program: str, command: list[str], roles: dict[str, int]) -> str:
    """Returns a manifest for Kubeflow, a script for Slurm, or commands for a shell.

    Parameters
    ----------
    kind : "tfjob", "slurm" or "shell".
    program : the program's name.
    command : the script and its flags.
    roles : how many tasks of each role.

    Raises
    ------
    UserError : Slurm starts workers only.
    """
    name = program.replace("_", "-")
    if not any(flag.startswith("--run_dir=") for flag in command):
        command = [*command, f"--run_dir=/shared/runs/{name}"]
    return {"tfjob": _tfjob, "slurm": _slurm, "shell": _shell}[kind](name, command, roles)


def _tfjob(name: str, command: list[str], roles: dict[str, int]) -> str:
    specs = "".join(
        _TFJOB_ROLE.format(
            role={"ps": "PS"}.get(role, role.capitalize()),
            count=count,
            command=json.dumps(["python", *command]),
        )
        for role, count in roles.items()
    )
    return _TFJOB.format(name=name, specs=specs, port=PORT)


_TFJOB = """\
# kubectl apply -f this file. The operator sets TF_CONFIG in each task.
apiVersion: kubeflow.org/v1
kind: TFJob
metadata:
  name: {name}
spec:
  successPolicy: ""  # the job has succeeded when worker 0, or the chief, has
  tfReplicaSpecs:
{specs}---
# TensorFlow's servers obey anyone who reaches them. Only the tasks of this job may.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {name}
spec:
  podSelector:
    matchLabels:
      training.kubeflow.org/job-name: {name}
  policyTypes: [Ingress]
  ingress:
    - from:
        - podSelector:
            matchLabels:
              training.kubeflow.org/job-name: {name}
      ports:
        - port: {port}
"""
_TFJOB_ROLE = """\
    {role}:
      replicas: {count}
      restartPolicy: OnFailure  # exit 4, a lost task: all start again
      template:
        spec:
          containers:
            - name: tensorflow
              image: IMAGE  # with Python, requirements.txt, and this project as its folder
              command: {command}
              volumeMounts:
                - {{name: runs, mountPath: /shared/runs}}
          volumes:
            - name: runs
              persistentVolumeClaim: {{claimName: runs}}
"""


def _slurm(name: str, command: list[str], roles: dict[str, int]) -> str:
    if set(roles) != {"worker"}:
        raise UserError(
            f"--print=slurm: got {', '.join(roles)}, expected workers only, because srun starts "
            "equal tasks; leave --ps, --evaluator and async out"
        )
    count = roles["worker"]
    last = SLURM_PORT + count - 1
    return f"""\
#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --ntasks={count}
#SBATCH --ntasks-per-node=1
#SBATCH --requeue
# Each task finds the cluster in the variables that srun sets. Ports: {SLURM_PORT}, and up to {last}
# where a machine has several tasks. TensorFlow's servers obey anyone who reaches them: let the
# firewall of each machine admit only the machines of the job.
srun --kill-on-bad-exit=1 python {shlex.join(command)}
"""


def _shell(name: str, command: list[str], roles: dict[str, int]) -> str:
    hosts = {}
    for role, count in roles.items():
        if role != "evaluator":
            first = 1 + sum(map(len, hosts.values()))
            hosts[role] = [f"{MACHINES}{first + k}:{PORT}" for k in range(count)]
    lines = [
        f"# {name}: one command for each machine. Every machine sees the same /shared/runs.",
        "# TensorFlow's servers obey anyone who reaches them. Before the start, on each machine:",
        f"#   iptables -A INPUT -p tcp --dport {PORT} ! -s {MACHINES}0/24 -j DROP",
    ]
    for role, count in roles.items():
        for index in range(count):
            config = json.dumps({"cluster": hosts, "task": {"type": role, "index": index}})
            where = hosts[role][index].partition(":")[0] if role in hosts else "any machine"
            lines.append(f"# {role} {index}, on {where}:")
            lines.append(f"TF_CONFIG={shlex.quote(config)} python {shlex.join(command)}")
    return "\n".join(lines) + "\n"
