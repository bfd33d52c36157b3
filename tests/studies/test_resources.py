"""What a launcher can never do is refused in a sentence: packages, partitions, nodes that are too small."""

import math
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError
from src.config.places import CONF, register_resolvers
from src.studies import resources
from src.studies.resources import (
    gpus_in,
    minutes_in,
    read_nodes,
    refuse_on_ray,
    refuse_on_slurm,
    refuse_what_cannot_be_met,
)

# sinfo --noheader --Node --format=%P|%c|%m|%G|%l of Slurm 22.05, and of clusters with several partitions.
TABLE = """\
short*|2|19284|gpu:2|1:00:00
long|64|256000|(null)|infinite
long|64|512000|(null)|infinite
gpu|32|128000|gpu:a100:4(S:0-1)|2-00:00:00
gpu|32|128000|gpu:a100:8(S:0-1),shard:32|2-00:00:00
"""
NODES = read_nodes(TABLE)


def launcher(name: str, *overrides: str) -> DictConfig:
    register_resolvers()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", [f"hydra/launcher={name}", *overrides], return_hydra_config=True)
    node = cfg.hydra.launcher
    engine = getattr(get_class(node._target_), "engine", node._target_)
    return OmegaConf.create({**node, "_target_": engine})


def slurm_request(**changes: Any) -> dict[str, Any]:
    usual = {"partition": None, "cpus_per_task": 1, "mem_gb": 4, "timeout_min": 30, "nodes": 1, "tasks_per_node": 1}
    return {**usual, "gpus_per_node": None, "gres": None, **changes}


def test_what_sinfo_says_is_read() -> None:
    assert NODES.gpus.tolist() == [2, 0, 0, 4, 8]
    assert NODES.minutes.tolist() == [60, math.inf, math.inf, 2880, 2880]
    assert NODES.default.tolist() == [True, False, False, False, False]
    assert (NODES.cpus[1], NODES.memory[2], NODES.partition[4]) == (64, 512000, "gpu")


@pytest.mark.parametrize(
    ("text", "gpus"),
    [("gpu:1", 1), ("gpu:a100:2(S:0-1),gpu:tesla:1", 3), ("(null)", 0), (None, 0), ("shard:4", 0), ("nic:4,gpu:2", 2)],
)
def test_gpus_among_generic_resources(text: str | None, gpus: int) -> None:
    assert gpus_in(text) == gpus


@pytest.mark.parametrize(
    ("text", "minutes"), [("30:00", 30), ("1:30:00", 90), ("1-00:00:00", 1440), ("infinite", math.inf)]
)
def test_time_limits(text: str, minutes: float) -> None:
    assert minutes_in(text) == minutes


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cpus_per_task": 2, "gpus_per_node": 2},
        {"partition": "long", "mem_gb": 500, "timeout_min": 10**6},
        {"partition": "long", "mem_gb": 250, "nodes": 2},
        {"partition": "gpu", "gpus_per_node": 8, "tasks_per_node": 8, "cpus_per_task": 4},
        {"partition": "short,gpu", "gres": "gpu:8"},
    ],
)
def test_what_a_node_can_hold_passes(changes: dict[str, Any]) -> None:
    refuse_on_slurm(slurm_request(**changes), NODES)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"cpus_per_task": 3},
            "with 3 CPUs, 4 GB of memory, 0 GPUs and 30 minutes, but only 0 of the 1 nodes in partition short",
        ),
        ({"gpus_per_node": 3}, "up to 2 CPUs, 18.8 GB of memory, 2 GPUs and 60 minutes"),
        ({"gres": "gpu:3"}, "3 GPUs"),
        ({"tasks_per_node": 2, "gpus_per_task": 2}, "4 GPUs"),
        ({"mem_gb": 19}, "19 GB"),
        ({"timeout_min": 61}, "61 minutes"),
        ({"nodes": 2}, "2 node"),
        ({"partition": "long", "mem_gb": 500, "nodes": 2}, "but only 1 of the 2 nodes in partition long"),
        ({"partition": "gpus"}, r"partition=gpus is not a partition .*did you mean gpu\?\): .* gpu, long, short"),
    ],
)  # fmt: skip
def test_what_no_node_can_hold_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        refuse_on_slurm(slurm_request(**changes), NODES)


def test_a_cluster_without_a_default_partition() -> None:
    with pytest.raises(UserError, match=r"no default partition: .* gpu, long"):
        refuse_on_slurm(slurm_request(), NODES[1:])


def test_slurm_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="has no sbatch"):
        refuse_what_cannot_be_met(launcher("slurm"))


def test_slurm_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, body in (("sbatch", "exit 0"), ("sinfo", "echo 'no controller' >&2; exit 1")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="Slurm does not answer: no controller"):
        refuse_what_cannot_be_met(launcher("slurm"))


@pytest.mark.parametrize(("name", "package"), [("local", "joblib"), ("slurm", "submitit")])
def test_a_package_that_is_not_installed(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=rf"hydra-{package}-launcher, which is not installed: pip install .*\[{name}\]"):
        refuse_what_cannot_be_met(launcher(name))


def test_ray_wants_an_environment_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "find_spec", lambda _: None)
    with pytest.raises(UserError, match="hydra-ray-launcher, which is not installed: run make setup-ray"):
        refuse_what_cannot_be_met(launcher("ray"))


def test_jobs_that_share_a_gpu_are_eight_and_no_more_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, jobs in ((2, 2), (8, 8), (64, 8)):
        monkeypatch.setattr("os.sched_getaffinity", lambda process, cores=cores: set(range(cores)), raising=False)
        assert launcher("gpu").n_jobs == jobs


def test_hydras_own_launcher_is_let_through() -> None:
    refuse_what_cannot_be_met(launcher("basic"))
    refuse_what_cannot_be_met(launcher("local"))


GPUS = {"CPU": 8.0, "GPU": 2.0, "node:127.0.0.1": 1.0, "memory": 1e9}


@pytest.mark.parametrize(
    "remote",
    [{"num_cpus": 8, "num_gpus": 2}, {"num_cpus": 1, "num_gpus": 0.5}, {"num_gpus": None}, {}, {"num_cpus": 60}],
)
def test_what_a_ray_node_can_hold_passes(remote: dict[str, Any]) -> None:
    refuse_on_ray(remote, [GPUS, {"CPU": 64.0}])


@pytest.mark.parametrize(
    ("remote", "words"),
    [
        ({"num_cpus": 60, "num_gpus": 1}, "for 60 CPU, 1 GPU, but the nodes have 8 CPU, 2 GPU; 64 CPU, 0 GPU: Ray"),
        ({"num_gpus": 2.5}, "2.5 GPU"),
        ({"resources": {"tpu": 1}}, "1 tpu"),
        ({"memory": 2e9}, "2e.09 memory"),
    ],
)  # fmt: skip
def test_what_no_ray_node_can_hold_is_refused(remote: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        refuse_on_ray(remote, [GPUS, {"CPU": 64.0}])
