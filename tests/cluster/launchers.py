"""One small study over joblib, real Slurm and Ray: the same runs, the same numbers, one GPU for each job.

``make test-cluster`` runs this file as root in a network namespace that has nothing but the loopback device. The two
GPUs are pretended: what is tested is where jobs are put. Ray runs from an environment of its own, ``RAY_PYTHON``.
``make test-cluster STUDY=music`` takes another study, whose data must be here.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from src.runs.record import find_runs
from src.runs.result import RunResult
from tests.cluster.slurm import slurm

ROOT = Path(__file__).resolve().parents[2]
STUDIES = {
    "smoke": ("experiments=smoke", "trainer.max_steps=40"),
    "music": (
        "experiments=chung2014_music", "study.only.data=[jsb_chorales]", "study.only.arms=[main]", "study.pairs=2",
        "study.tuning.draws={optimizer.lr:{number:2}}", "study.tuning.repeat.best=1", "study.tuning.repeat.seeds=1",
        "+study.tuning.extensions=0", "trainer.max_steps=30",
    ),
}  # fmt: skip
STUDY = (*STUDIES[os.environ.get("STUDY", "smoke")], "logger=csv")
PLAIN = ("model=gru,lstm", "seed=0,1", "model.hidden_size=4", "trainer.max_epochs=1", "logger=csv", "test=false",
         "trainer.enable_progress_bar=false")  # fmt: skip
SLURM = ("hydra/launcher=slurm", "hydra.launcher.mem_gb=2", "hydra.launcher.timeout_min=30")
RAY = ("hydra/launcher=ray", "hydra.launcher.ray.init.num_gpus=2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # munged is another user
        with slurm(Path(folder)):
            yield


@pytest.fixture(scope="module")
def expected(folder: Path) -> dict[str, RunResult]:
    """The study as one process does it."""
    multirun(folder / "basic", *STUDY)
    return runs(folder / "basic")


def multirun(folder: Path, *options: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    done = started(folder, *options, python=python)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done


def started(folder: Path, *options: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    command = [python, "-m", "src.train", "-m", *options, f"paths.runs_dir={folder}"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=3600, check=False)


def runs(folder: Path) -> dict[str, RunResult]:
    """Records by run id: in a study the id follows from what is run, in a plain multirun the identity does."""
    found = {str(r.id if r.study_job else r.identity): r for _, r in find_runs(folder)}
    assert {record.status for record in found.values()} == {"finished"}
    return found


def same(found: dict[str, RunResult], expected: dict[str, RunResult]) -> None:
    assert found.keys() == expected.keys()
    for name, record in expected.items():
        assert found[name].metrics == record.metrics
        assert found[name].identity == record.identity


def gpus(found: dict[str, RunResult]) -> set[str]:
    return {record.hardware["visible_gpus"] for record in found.values()}


def overlap(folder: Path) -> bool:
    """Whether two jobs were under way at the same time, from Hydra's first file to the end on record."""
    spans = sorted(
        ((path / ".hydra" / "overrides.yaml").stat().st_mtime, record.ended) for path, record in find_runs(folder)
    )
    return any(later[0] < earlier[1] for earlier, later in pairwise(spans))


def test_joblib(folder: Path, expected: dict[str, RunResult]) -> None:
    multirun(folder / "joblib", *STUDY, "hydra/launcher=local", "hydra.launcher.n_jobs=2")
    found = runs(folder / "joblib")
    same(found, expected)
    assert overlap(folder / "joblib")
    assert not overlap(folder / "basic")


def test_slurm_gives_each_job_a_gpu(folder: Path, expected: dict[str, RunResult], cluster: None) -> None:
    multirun(folder / "slurm_runs", *STUDY, *SLURM, "hydra.launcher.gpus_per_node=1")
    found = runs(folder / "slurm_runs")
    same(found, expected)
    assert overlap(folder / "slurm_runs")
    assert gpus(found) == {"0", "1"}
    again = multirun(folder / "slurm_runs", *STUDY, *SLURM, "hydra.launcher.gpus_per_node=1")
    assert "Submitit" not in again.stdout
    assert {name: record.started for name, record in runs(folder / "slurm_runs").items()} == {
        name: record.started for name, record in found.items()
    }


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("hydra.launcher.gpus_per_node=3", "3 GPUs"),
        ("hydra.launcher.partition=shorter", "did you mean short?"),
        ("hydra.launcher.timeout_min=61", "61 minutes"),
    ],
)
def test_slurm_refuses_what_no_node_has(folder: Path, cluster: None, option: str, words: str) -> None:
    options = [o for o in SLURM if o.partition("=")[0] != option.partition("=")[0]]
    done = started(folder / "refused", *PLAIN, *options, option)
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(find_runs(folder / "refused"))


def test_slurm_runs_a_plain_multirun(folder: Path, cluster: None) -> None:
    multirun(folder / "plain_basic", *PLAIN)
    multirun(folder / "plain_slurm", *PLAIN, *SLURM)
    expected = runs(folder / "plain_basic")
    assert len(expected) == 4
    same(runs(folder / "plain_slurm"), expected)


def test_two_processes_as_tasks_of_slurm(folder: Path, cluster: None) -> None:
    """DDP whose second process is started by Slurm, and DDP whose second process is started by the first."""
    two = ("model=gru", "model.hidden_size=4", "trainer=ddp_cpu", "trainer.max_epochs=1", "logger=csv",
           "trainer.enable_progress_bar=false")  # fmt: skip
    multirun(folder / "tasks", *two, *SLURM, "hydra.launcher.tasks_per_node=2")
    multirun(folder / "one_task", *two, *SLURM, "hydra.launcher.cpus_per_task=2")
    multirun(folder / "no_slurm", *two)
    expected = runs(folder / "no_slurm")
    same(runs(folder / "tasks"), expected)
    same(runs(folder / "one_task"), expected)


def test_processes_on_two_nodes(folder: Path, cluster: None) -> None:
    """DDP with a process on each of two nodes, started by Slurm, is DDP with two processes on one machine."""
    two = ("model=gru", "seed=0,1", "model.hidden_size=4", "trainer=ddp_cpu", "trainer.max_epochs=2", "logger=csv",
           "trainer.enable_progress_bar=false")  # fmt: skip
    nodes = ("hydra.launcher.partition=both", "hydra.launcher.nodes=2", "hydra.launcher.tasks_per_node=1")
    multirun(folder / "nodes", *two, "trainer.num_nodes=2", "trainer.devices=1", *SLURM, *nodes)
    multirun(folder / "one_node", *two)
    found, expected = runs(folder / "nodes"), runs(folder / "one_node")
    assert len(found) == 2
    assert {r.seed: r.metrics for r in found.values()} == {r.seed: r.metrics for r in expected.values()}


def test_ray_gives_each_job_a_gpu(folder: Path, expected: dict[str, RunResult], ray: str) -> None:
    multirun(folder / "ray", *STUDY, *RAY, "hydra.launcher.ray.remote.num_gpus=1", python=ray)
    found = runs(folder / "ray")
    same(found, expected)
    assert overlap(folder / "ray")
    assert gpus(found) == {"0", "1"}


def test_ray_shares_a_gpu(folder: Path, ray: str) -> None:
    one = ("hydra/launcher=ray", "hydra.launcher.ray.init.num_gpus=1", "hydra.launcher.ray.remote.num_gpus=0.5")
    multirun(folder / "ray_shared", *PLAIN, *one, python=ray)
    found = runs(folder / "ray_shared")
    assert len(found) == 4
    assert overlap(folder / "ray_shared")
    assert gpus(found) == {"0"}


def test_ray_refuses_what_no_node_has(folder: Path, ray: str) -> None:
    """Left to itself it would wait for ever."""
    done = started(folder / "refused", *PLAIN, *RAY, "hydra.launcher.ray.remote.num_gpus=3", python=ray)
    assert done.returncode == 1
    assert "A job asks Ray for 1 CPU, 3 GPU" in done.stderr
    assert not list(find_runs(folder / "refused"))


def test_ray_joins_a_running_cluster(folder: Path, ray: str) -> None:
    environment = {**os.environ, "RAY_AUTH_MODE": "token"}
    tool = str(Path(ray).parent / "ray")
    head = [tool, "start", "--head", "--num-cpus=2", "--num-gpus=2", "--include-dashboard=false", "--port=6399"]
    subprocess.run(head, env=environment, check=True, capture_output=True, timeout=120)
    try:
        address = ("hydra/launcher=ray", "hydra.launcher.ray.init.address=127.0.0.1:6399")
        multirun(folder / "ray_cluster", *PLAIN, *address, "hydra.launcher.ray.remote.num_gpus=1", python=ray)
    finally:
        subprocess.run([tool, "stop"], env=environment, check=True, capture_output=True, timeout=120)
    found = runs(folder / "ray_cluster")
    assert len(found) == 4
    assert gpus(found) == {"0", "1"}


@pytest.fixture
def ray() -> str:
    return os.environ["RAY_PYTHON"]


def test_two_processes_inside_a_multirun_of_four_jobs(folder: Path) -> None:
    options = (*PLAIN, "trainer=ddp_cpu")
    multirun(folder / "ddp_basic", *options)
    multirun(folder / "ddp_joblib", *options, "hydra/launcher=local", "hydra.launcher.n_jobs=2")
    expected = runs(folder / "ddp_basic")
    assert len(expected) == 4
    same(runs(folder / "ddp_joblib"), expected)
