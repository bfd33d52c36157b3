"""A run for analysis: its record plus the few facts that comparisons need."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from src.config.errors import UserError
from src.config.instantiate import select
from src.config.names import public_names
from src.config.schema import effect_of
from src.config.schema.entries import FILE, PLACE
from src.runs.config_file import read_plain
from src.runs.result import Phase, RunResult, Timing
from src.runs.typed_json import from_plain
from src.tasks.metrics import Direction

# Keys of a line in a pack or summary.json that match a run's: identification, parts, and additions of the analysis.
FACTS = (
    *("id", "model", "seed", "arm", "phase", "status", "error", "directory", "study", "name", "url", "identity"),
    *("metrics", "baselines", "val_baselines", "values", "mode", "hidden_size"),
    *("hardware", "versions", "results_version", "sources", "started", "ended", "attempts", "stop_reason"),
)
PARTS = ("best", "parameters", "budget", "timing", "memory", "backend", "git")
ADDED = ("model", "arm", "directory", "values", "mode", "hidden_size")


@dataclass
class Run(RunResult):
    """The record of a run, from its directory, a pack or a table.

    >>> Run(id="3435e0996364", seed=0, model="gru", data_name="jsb_chorales", status="finished").arm
    'main'
    """

    model: str = ""  # name in ``conf/model``
    # name in ``conf/data``; outside a study with ``data.name`` if that differs (``ucr:JapaneseVowels``)
    data_name: str = ""
    # ``main`` unless the study has several; ``STUDY/ARM`` if several studies are compared
    arm: str = "main"
    directory: str | None = None  # its location, relative to the working folder where possible
    values: dict[str, Any] = field(default_factory=dict)  # tuned settings by dotted key, ``optimizer.lr``
    mode: Direction | None = None  # which direction of the monitored metric is better
    hidden_size: int | list[int] | None = None  # width of the recurrent layers; a list if they differ
    command_line: str | None = None  # the command that made it, without paths of one machine

    @property
    def phase(self) -> Phase | None:
        """Its phase in the study; None outside a study."""
        return self.study_job.phase if self.study_job else None

    @property
    def study(self) -> str | None:
        """The name of its study, if any."""
        return self.study_job.study if self.study_job else None

    @property
    def url(self) -> str | None:
        """Its page in wandb."""
        return self.wandb.url if self.wandb else None

    @property
    def timed(self) -> Timing | None:
        """Its training time; None if unknown (a table, an interrupted run)."""
        return self.timing if self.timing != Timing() else None

    @property
    def place(self) -> str:
        """Its location, for messages."""
        return self.directory or self.id


def read_run(record: RunResult, directory: Path, place: str, keys: Sequence[str]) -> Run:
    """Collect what an analysis needs of a run.

    Args:
        record: its ``result.json``.
        directory: its folder, which contains ``config.yaml``.
        place: the directory, for messages.
        keys: dotted keys of tuned settings.

    Raises:
        UserError: the record lacks the model or the data.
    """
    config = read_config(directory)
    model, data = record.model, record.data_name
    inner = select(config, "data.name")
    if data and inner and inner != data and record.study_job is None:
        data = f"{data}:{inner}"
    if not model or not data:
        raise UserError(f"The run in {place} lacks its model, data or seed.")
    return Run(
        **vars(record),
        model=model,
        data_name=data,
        arm=record.study_job.arm if record.study_job else "main",
        directory=place,
        values={key: value for key in keys if (value := select(config, key)) is not None},
        mode=select(config, "task.mode"),
        hidden_size=select(config, "model.hidden_size"),
        command_line=command_line(record.command),
    )


def read_config(directory: Path) -> dict[str, Any]:
    """Read a run's ``config.yaml`` as plain dicts.

    Raises:
        UserError: the file is missing or damaged.
    """
    return public_names(read_plain(directory / "config.yaml"))


def command_line(words: Sequence[str]) -> str | None:
    """Return the command that made a run, without paths of one machine.

    >>> command_line(["/home/me/src/train.py", "model=gru", "paths.runs_dir=/big"])
    'python -m src.train model=gru'
    >>> command_line(["train.py", "name=a; touch b", "data=[x]"])
    "python -m src.train 'name=a; touch b' 'data=[x]'"
    """
    if not words:
        return None
    module = f"src.{Path(words[0]).stem}" if words[0].endswith(".py") else "src.train"
    kept = [word for word in words[1:] if effect_of(word.lstrip("+~").partition("=")[0]) not in (PLACE, FILE)]
    return shlex.join(["python", "-m", module, *kept])


def quoted(command: Any) -> str | None:
    """Quote a command from a pack as a single harmless shell command; None if it is not a GateBench command.

    >>> quoted("python -m src.train 'data=[x]' seed=$(touch b); touch b")
    "python -m src.train 'data=[x]' 'seed=$(touch' 'b);' touch b"
    >>> quoted("touch b")
    """
    try:
        words = shlex.split(command) if isinstance(command, str) else []
    except ValueError:  # an unclosed quote
        return None
    known = words[:2] == ["python", "-m"] and words[2:3] and words[2].startswith("src.")
    return shlex.join(words) if known else None


def flat(run: Run) -> dict[str, Any]:
    """Return a run as a line of ``summary.json`` or a pack; :func:`from_flat` reads it back."""
    parts = {name: asdict(part) if (part := getattr(run, name)) else {} for name in PARTS}
    if run.timed is None:
        parts["timing"] = {}
    facts = {key: value for key, value in asdict(run.data).items() if value not in (None, {}) and key != "notes"}
    line = {name: getattr(run, name) for name in FACTS} | {"data": run.data_name, "command": run.command_line}
    return line | parts | {"facts": facts | run.data.notes}


def from_flat(line: Mapping[str, Any], path: Path) -> Run:
    """Read a run from a line made by :func:`flat`; keys at their defaults may be missing.

    Raises:
        UserError: a value is invalid.
        KeyError: the line does not identify its run.
    """
    facts = dict(line.get("facts", {}))
    known = {key: facts.pop(key) for key in ("checksum", "sequences", "name", "split_seed") if key in facts}
    content = {"status": "finished", **line, "data": known | {"notes": facts}, "command": []}
    if "best" in content:  # packs omit values that are not finite
        content["best"] = {"value": "nan"} | content["best"]
    if line.get("url"):
        content["wandb"] = {"id": line["id"], "url": line["url"]}
    if line.get("study"):
        content["study_job"] = {key: line[key] for key in ("study", "phase", "model", "data", "arm") if key in line}
    added = {name: line[name] for name in ADDED if name in line}
    content = vars(from_plain(RunResult, content, path))
    return Run(**content, **added, data_name=line["data"], command_line=quoted(line.get("command")))
