"""The parts of a measurement on a GPU: what each runs, how long it may take, and what is read of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from benchmarks import made_up
from src.runs.record import find_runs

PYTHON = (sys.executable, "-m")
SHAPES = ("[8,160,88,46]", "[64,784,1,128]", "[32,100,64,256]", "[16,500,1,227]", "[128,35,256,512]")
FLASHRNN = ("[64,784,1,128]", "[32,100,64,256]")
ALL = "auto,torch,triton"
CELLS = "gru,gru_cho,lstm,lstm_peephole"
OPTIONS = "gru_layer_norm,gru_zoneout,gru_recurrent_dropout"
AT_ONCE = (1, 4, 8, 16)
EPOCHS = 10  # of the runs that share
QUIET = ("logger=csv", "trainer.enable_progress_bar=false")
STEPS = ("tests", "train", "kernels", "sharing", "ddp", "synchronisations")


@dataclass(frozen=True)
class Part:
    """A process of a measurement.

    Args:
        name: unique; also the folder that it may write to.
        command: what is run.
        limit: seconds after which it is ended.
        read: from its folder to what it found, as plain values.
        background: it is started at once, beside what comes before the first timed part, and builds what those need.
        timed: nothing may run beside it.
        beside: it runs at the same time as the part before it.
        environment: variables of its own.
    """

    name: str
    command: list[str]
    limit: float
    read: Callable[[Path], Any] = lambda folder: None
    background: bool = False
    timed: bool = False
    beside: bool = False
    environment: dict[str, str] = field(default_factory=dict)


def facts(commit: str | None) -> dict[str, Any]:
    """Return versions, hardware and commit, from a separate process, because querying the GPU occupies some of it."""
    program = (
        "import json, torch; from importlib import metadata; from src.runs import machine;"
        "v = machine.versions() | {'cuda': torch.version.cuda, 'cudnn': str(torch.backends.cudnn.version())};"
        "v |= {d.name: d.version for d in metadata.distributions() if d.name == 'triton'};"
        "print(json.dumps({'versions': v, 'hardware': machine.hardware(), 'git': machine.git()}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        return {"versions": {}, "hardware": {}, "git": {"commit": commit}, "reason": done.stderr[-2000:]}
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told | ({"git": {"commit": commit}} if commit else {})


def parts_of(steps: Iterable[str], folder: Path, device: str) -> list[Part]:
    """Return the parts of some steps, in order; their training data are generated here."""
    music, labelled = folder / "music.npz", folder / "labelled.npz"
    small = device == "cpu"
    made_up.piano_rolls(music, pieces=24 if small else made_up.PIECES)
    made_up.labelled(labelled, sequences=48 if small else 1200)
    makers: dict[str, Callable[[], list[Part]]] = {
        "tests": lambda: [tests(folder, small)],
        "train": lambda: [train(folder, labelled, small)],
        "kernels": lambda: kernels(folder, small),
        "sharing": lambda: sharing(folder, music, small),
        "ddp": lambda: ddp(folder, labelled, small),
        "synchronisations": lambda: [synchronisations(folder, music, labelled, small)],
    }
    parts = [part for step in steps for part in makers[step]()]
    return [replace(part, limit=5 * part.limit) for part in parts] if small else parts


def tests(folder: Path, small: bool) -> Part:
    """Return the part that runs ``pytest -m gpu``; a trial run uses the CPU."""
    xml = folder / "tests" / "tests.xml"
    options = ["-v", "-m", "gpu", "-W", "default", "-p", "no:benchmark", "--durations=15", f"--junitxml={xml}"]
    if find_spec("pytest_timeout"):
        options.append(f"--timeout={600 if small else 60}")
    command = [*PYTHON, "pytest", "tests/gpu", "tests/recurrent", "-n", "2" if small else "8", *options]
    environment = {"OMP_NUM_THREADS": "1", **({"GATEBENCH_TEST_GPU": "cpu"} if small else {})}
    return Part("tests", command, 150, lambda _: junit(xml), environment=environment)


def train(folder: Path, data: Path, small: bool) -> Part:
    """Return the part that trains one whole run from the command line."""
    options = ("model=gru_bi", "trainer.max_epochs=3", *on(small), *npz(data), *QUIET)
    return Part("train", [*train_command(folder / "train"), *options], 60, runs_in, beside=True)


def kernels(folder: Path, small: bool) -> list[Part]:
    """Compare backends with cuDNN, each shape in its own process; the first parts compile everything once."""
    shapes = ("[2,6,3,5]", "[2,4,3,8]") if small else SHAPES
    two, every = f"{shapes[0]},{shapes[-1 if small else 2]}", ",".join(shapes)
    half: dict[str, Any] = {"precision": "bf16-mixed"}
    once: dict[str, Any] = {"rounds": 1, "background": True}
    compiled = [
        *(steps_of(folder, f"compile {shape}", shape, f"{CELLS},{OPTIONS}", "triton", 120, **once) for shape in shapes),
        steps_of(folder, "compile bf16", two, CELLS, "triton", 120, **half, **once),
        *(
            steps_of(folder, f"compile flashrnn {shape}", shape, "lstm", "", 140, peers="flashrnn", **half, **once)
            for shape in FLASHRNN
        ),
    ]
    measured = [
        steps_of(folder, f"kernels {shape}", shape, f"{CELLS},{OPTIONS}" if number in (0, 2) else CELLS, ALL, 45)
        for number, shape in enumerate(shapes)
    ]
    measured.append(steps_of(folder, "kernels bf16", two, CELLS, ALL, 45, **half))
    measured.append(steps_of(folder, "plain", every, "gru,lstm", "auto", 110, rounds=2 if small else 31))
    measured.append(steps_of(folder, "loop", every, CELLS, "reference", 60, rounds=3))
    # FlashRNN's Triton kernels do not compile in bfloat16: their sigmoid is of float32 alone.
    flash = [
        steps_of(folder, peer, ",".join(FLASHRNN), "lstm", "", 30, peers=peer, precision=precision)
        for peer, precision in (("flashrnn_triton", "32-true"), ("flashrnn", "bf16-mixed"))
    ]
    return measured if small else [*compiled, *measured, *flash]


def steps_of(
    folder: Path, name: str, shapes: str, cells: str, backends: str, limit: float, *, rounds: int = 7,
    peers: str = "", precision: str = "32-true", background: bool = False,
) -> Part:  # fmt: skip
    """Return the part for one call of ``benchmarks.steps``."""
    name = name.replace(" ", "_").replace(",", "-").strip("]").replace("[", "")
    device = "cpu" if shapes.startswith("[2,") else "cuda"
    command = [
        *PYTHON, "benchmarks.steps", f"shapes=[{shapes}]", f"cells=[{cells}]", f"backends=[{backends}]",
        f"peers=[{peers}]", f"precision={precision}", f"device={device}", f"rounds={rounds}",
        f"minutes={0.001 if rounds < 7 or device == 'cpu' else 0.1}", "memory=false", "picture=false",
        f"directory={folder / name}",
    ]  # fmt: skip
    if background:
        return Part(name, command, limit, background=True)
    return Part(name, command, limit, partial(from_json, "benchmark"), timed=True)


def sharing(folder: Path, music: Path, small: bool) -> list[Part]:
    """Measure runs per hour by the number of runs at a time; the last part uses CPU cores, one run each."""
    asked = [(n, "cpu") for n in (1, 2)] if small else [*((n, "gpu") for n in AT_ONCE), (0, "cpu")]
    parts = []
    for at_once, device in asked:
        name = f"sharing_{at_once or 'cores'}"
        words = (str(folder / name), str(music), device, str(at_once), "3" if small else str(EPOCHS))
        limit = 60 if 0 < at_once < 8 else 120
        command = [*PYTHON, "benchmarks.sharing", *words]
        parts.append(Part(name, command, limit, partial(from_json, "sharing"), timed=True))
    return parts


def ddp(folder: Path, data: Path, small: bool) -> list[Part]:
    """Train in a distributed world of one: a multirun, the same runs without it, and bf16 with compiled heads."""
    several = ("model=gru_bi", "seed=0,1", "trainer.max_epochs=2", *npz(data), *QUIET)
    distributed = ("trainer=ddp_cpu", "trainer.devices=1") if small else ("trainer=ddp", "trainer.devices=1")
    half = () if small else ("trainer.precision=bf16-mixed", "compile=true")
    one = ("model=gru_bi", "trainer.max_epochs=2", *distributed, *half, *npz(data), *QUIET)
    return [
        Part(
            "ddp_without", [*train_command(folder / "ddp_without", "-m"), *several, *on(small)], 45, runs_in, timed=True
        ),
        Part("ddp", [*train_command(folder / "ddp", "-m"), *several, *distributed], 60, runs_in, beside=True),
        Part("ddp_bf16_compiled", [*train_command(folder / "ddp_bf16_compiled"), *one], 90, runs_in, beside=True),
    ]


def synchronisations(folder: Path, music: Path, labelled: Path, small: bool) -> Part:
    """Count how often a training step waits for the GPU."""
    name = "synchronisations"
    command = [*PYTHON, f"benchmarks.{name}", str(folder / name), str(music), str(labelled), "cpu" if small else "gpu"]
    return Part(name, command, 60, partial(from_json, name), beside=True)


# ------------------------------------------------------------------------------------------------------------ pieces


def from_json(name: str, folder: Path) -> Any:
    """Read the JSON file that a part has written."""
    return json.loads((folder / f"{name}.json").read_text())


def train_command(runs: Path, *flags: str) -> list[str]:
    """Return the command ``python -m src.train`` with its runs in a folder."""
    return [*PYTHON, "src.train", *flags, f"paths.runs_dir={runs}"]


def on(small: bool) -> tuple[str, ...]:
    """Return the trainer: one GPU, or in a trial run the CPU."""
    return ("trainer=cpu",) if small else ("trainer=gpu",)


def npz(data: Path) -> tuple[str, ...]:
    """The data of a run."""
    return "data=npz", f"data.path={data}"


def runs_in(folder: Path) -> list[dict[str, Any]]:
    """Return the records of the runs in a folder, in the order in which they ended."""
    found = sorted((record for _, record in find_runs(folder)), key=lambda record: record.ended or 0.0)
    return [
        {
            "seed": record.seed,
            "status": record.status,
            "backend": record.backend and record.backend.name,
            "metrics": record.metrics,
            "steps_per_second": record.timing.steps_per_second,
            "seconds": (record.ended or 0.0) - (record.started or 0.0),
            "peak_gpu_mb": record.memory.peak_gpu_mb,
        }
        for record in found
    ]


def junit(path: Path) -> dict[str, Any]:
    """Count the tests that passed, failed and were skipped, and list those that did not pass."""
    cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    failed = [c for c in cases if c.find("failure") is not None or c.find("error") is not None]
    skipped = [c for c in cases if c.find("skipped") is not None]
    return {
        "passed": len(cases) - len(failed) - len(skipped),
        "failed": [f"{c.get('classname')}.{c.get('name')}: {message_of(c)}" for c in failed],
        "skipped": [f"{c.get('classname')}.{c.get('name')}: {message_of(c)}" for c in skipped],
    }


def message_of(case: ElementTree.Element) -> str:
    """Return in one line why a test did not pass."""
    told = next((node for name in ("failure", "error", "skipped") if (node := case.find(name)) is not None), None)
    return "" if told is None else (told.get("message") or "").splitlines()[0][:300] if told.get("message") else ""
