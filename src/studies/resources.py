"""Check whether a launcher can satisfy a request, before it fails late or waits forever."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import Any

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError, nearest

INSTALL = {
    "hydra_joblib_launcher": "pip install -e '.[local]' in GateBench's clone",
    "hydra_submitit_launcher": "pip install -e '.[slurm]' in GateBench's clone",
    "hydra_ray_launcher": "run make setup-ray, which makes a separate environment in .venv-ray",
}


def refuse_what_cannot_be_met(launcher: DictConfig) -> None:
    """Refuse a launcher that is not installed, or a request that it could never satisfy.

    Checking Ray starts it, as the first job would.

    Raises:
        UserError: its package is not installed; Slurm or the cluster does not answer or has no such partition; or no
            node has the CPUs, memory, GPUs or minutes that one job needs.
    """
    engine = str(launcher["_target_"])
    for package, command in INSTALL.items():
        if package in engine.split(".") and find_spec(f"hydra_plugins.{package}") is None:
            raise UserError(
                f"This launcher needs the package {package.replace('_', '-')}, which is not installed: {command}."
            )
    settings: Any = OmegaConf.to_container(launcher, resolve=True)
    if engine.endswith(".SlurmLauncher"):
        refuse_on_slurm(settings, slurm_nodes())
    elif engine.endswith(".RayLauncher"):
        refuse_on_ray(settings["ray"]["remote"], ray_nodes(settings["ray"]["init"]))


def slurm_nodes() -> pd.DataFrame:
    """Return Slurm's table of its nodes.

    Raises:
        UserError: Slurm is not installed or does not answer.
    """
    if shutil.which("sbatch") is None:
        raise UserError(
            "This machine has no sbatch: start the sweep on a login node of the Slurm cluster, or use "
            "hydra/launcher=local."
        )
    command = ["sinfo", "--noheader", "--Node", "--format=%P|%c|%m|%G|%l"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if told.returncode != 0:
        raise UserError(f"Slurm does not answer: {' '.join(told.stderr.split())}")
    return read_nodes(told.stdout)


def read_nodes(table: str) -> pd.DataFrame:
    """Parse nodes of partitions from ``sinfo --Node --format=%P|%c|%m|%G|%l``; memory in MB.

    >>> read_nodes("debug*|2|1000|gpu:a100:2(S:0)|1-00:00:00").to_dict("records")
    [{'partition': 'debug', 'default': True, 'cpus': 2, 'memory': 1000, 'gpus': 2, 'minutes': 1440.0}]
    """
    rows = []
    for line in table.split():
        name, cpus, memory, gres, limit = line.split("|")
        rows.append((name.rstrip("*"), name.endswith("*"), int(cpus), int(memory), gpus_in(gres), minutes_in(limit)))
    return pd.DataFrame(rows, columns=["partition", "default", "cpus", "memory", "gpus", "minutes"])


def gpus_in(gres: str | None) -> int:
    """Return the number of GPUs in a list of generic resources: 3 for ``gpu:a100:2(S:0-1),gpu:1``, 0 for ``(null)``."""
    return sum(int(number) for number in re.findall(r"\bgpu(?::[^:,(]+)?:(\d+)", gres or ""))


def minutes_in(limit: str) -> float:
    """Return the minutes of a time limit: 90 for ``1:30:00``, 1440 for ``1-00:00:00``, infinity for ``infinite``."""
    if not limit[0].isdigit():
        return float("inf")
    days, _, clock = limit.rpartition("-")
    seconds = 0
    for number in clock.split(":"):
        seconds = 60 * seconds + int(number)
    return 1440 * int(days or 0) + seconds / 60


def refuse_on_slurm(request: Mapping[str, Any], nodes: pd.DataFrame) -> None:
    """Refuse a request that no node of its partition can satisfy, given the launcher's settings.

    Raises:
        UserError: no node suffices; the message states the request and what the nodes have.
    """
    known = sorted(set(nodes.partition))
    asked = [name.strip() for name in str(request["partition"]).split(",")] if request.get("partition") else []
    for name in asked:
        if name not in known:
            raise UserError(
                f"hydra.launcher.partition={name} is not a partition of this cluster{nearest(name, known)}: choose "
                f"one of {', '.join(known)}."
            )
    usable = nodes[nodes.partition.isin(asked) if asked else nodes.default]
    if usable.empty:
        raise UserError(
            f"This cluster has no default partition: hydra.launcher.partition must be one of {', '.join(known)}."
        )
    tasks = request.get("tasks_per_node") or 1
    per_task = tasks * (request.get("gpus_per_task") or 0)
    wanted = {
        "cpus": tasks * (request.get("cpus_per_task") or 1),
        "memory": 1024 * (request.get("mem_gb") or 0),
        "gpus": max(request.get("gpus_per_node") or 0, per_task, gpus_in(request.get("gres"))),
        "minutes": request.get("timeout_min") or 0,
    }
    fitting = (usable[list(wanted)] >= pd.Series(wanted)).all(axis=1).sum()
    if fitting < (request.get("nodes") or 1):
        most = {key: usable[key].max() for key in wanted}
        raise UserError(
            f"A job asks Slurm for {request.get('nodes') or 1} node(s) with {_said(wanted)}, but only {fitting} of the "
            f"{len(usable)} nodes in partition {','.join(usable.partition.unique())} have that much; they have up to "
            f"{_said(most)}."
        )


def _said(sizes: Mapping[str, float]) -> str:
    memory = f"{sizes['memory'] / 1024:.3g} GB of memory"
    return f"{sizes['cpus']} CPUs, {memory}, {sizes['gpus']} GPUs and {sizes['minutes']:g} minutes"


def ray_nodes(init: Mapping[str, Any]) -> list[dict[str, float]]:
    """Return each live node's resources by name, for the cluster that ``ray.init`` starts or joins.

    Raises:
        UserError: no cluster answers at the address, or Ray cannot start.
    """
    import ray

    if not ray.is_initialized():
        try:
            ray.init(**init)
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            address = init.get("address")
            where = f"at hydra.launcher.ray.init.address={address}" if address else "on this machine"
            raise UserError(f"Ray cannot be used {where}: {' '.join(str(error).split())}") from error
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def refuse_on_ray(remote: Mapping[str, Any], nodes: Iterable[Mapping[str, float]]) -> None:
    """Refuse a request that no single node satisfies, given the arguments of ``ray.remote``; Ray would wait forever.

    Raises:
        UserError: no node suffices; the message states the request and what the nodes have.
    """
    asked = {"CPU": remote.get("num_cpus"), "GPU": remote.get("num_gpus"), "memory": remote.get("memory")}
    asked |= remote.get("resources") or {}
    wanted = {name: amount for name, amount in asked.items() if amount}
    nodes = list(nodes)
    if not any(all(node.get(name, 0) >= amount for name, amount in wanted.items()) for node in nodes):
        ask = ", ".join(f"{amount:g} {name}" for name, amount in wanted.items())
        have = "; ".join(", ".join(f"{node.get(name, 0):g} {name}" for name in wanted) for node in nodes)
        raise UserError(
            f"A job asks Ray for {ask}, but the nodes have {have}: Ray would wait forever, so reduce "
            "hydra.launcher.ray.remote."
        )
