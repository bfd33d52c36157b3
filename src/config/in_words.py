"""Turn any exception into one sentence: user errors as they are, those of Hydra and OmegaConf translated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import yaml
from omegaconf.errors import OmegaConfBaseException

from src.config.errors import UserError, close_to, nearest
from src.config.names import public_key
from src.config.places import CONF
from src.config.schema import keys_of
from src.config.schema.arguments import TRAINER_HAS
from src.config.schema.commands import COMMANDS
from src.config.schema.entries import holds, words

# Names of our keys in other libraries that are spelled too differently to be suggested.
MEANT = {
    **dict.fromkeys(("learning_rate", "lr_rate", "eta"), "optimizer.lr"),
    **dict.fromkeys(("epochs", "num_epochs", "n_epochs"), "trainer.max_epochs"),
    **dict.fromkeys(("steps", "iterations", "max_iters", "num_steps"), "trainer.max_steps"),
    **dict.fromkeys(("units", "hidden", "hidden_dim", "hidden_units", "width", "dim"), "model.hidden_size"),
    **dict.fromkeys(("layers", "n_layers", "depth"), "model.num_layers"),
    **dict.fromkeys(("bs", "batch", "batchsize"), "data.batch_size"),
    **dict.fromkeys(("clip", "grad_clip", "clip_norm", "max_grad_norm"), "trainer.gradient_clip_val"),
    **dict.fromkeys(("gpus", "num_gpus", "n_gpus"), "trainer.devices"),
    **dict.fromkeys(("dataset", "data_path", "file", "csv"), "data.path"),
    **dict.fromkeys(("random_state", "random_seed", "manual_seed"), "seed"),
    "early_stopping": "callbacks.early_stopping.patience",
    "data_dir": "paths.data_dir",
    "monitor": "task.monitor",
}
# Messages of torch and NumPy about arrays that do not fit into memory or whose size overflows 64 bits.
NO_MEMORY = (
    r"an't allocate memory|ut of memory|Unable to allocate|[Ss]ize calculation overflowed|Maximum allowed size"
    r"|array is too big"
)


def in_words(error: BaseException, command: str | None = None, keys: Iterable[str] = ()) -> str:
    """Describe an error in one sentence: user errors unchanged, Hydra's and OmegaConf's translated, others with type.

    An unknown key is looked up among ``keys``, or else among the keys of ``command``, or among those of all commands if
    ``command`` is None.
    """
    if isinstance(error, UserError):
        return str(error)
    text = str(error)
    if isinstance(error, MemoryError) or re.search(NO_MEMORY, text):
        return (
            f"Out of memory for this config ({one_line(text)[:200]}): reduce model.hidden_size, "
            "data.batch_size or other large sizes."
        )
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename} cannot be read or written ({error.strerror}): give another path."
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        place = f"{error.problem_mark.name}, line {error.problem_mark.line + 1}"
        if twice := re.fullmatch(r"found duplicate key (.*)", error.problem or ""):
            return f"{place}, has the key {twice[1]} a second time in the same mapping: drop or rename one of them."
        return f"{place}, cannot be read as YAML: {one_line(error.problem or error.context or text)}."
    if no_choice := re.search(
        r"Could not find '([^']*)/([^'/]+)'\s*\n\s*\nAvailable options in '[^']+':\n((?:\t.*\n?)+)", text
    ):
        group, name, rest = no_choice.groups()
        # base*.yaml hold shared defaults and are not choices.
        options = [o for line in rest.splitlines() if (o := line.strip()) and not o.startswith("base")]
        return f"There is no {group}={name}{nearest(name, options)}; the choices are {', '.join(options)}."
    if no_file := re.search(r"Could not load '([^']*)/([^'/]+)'", text):  # one of several
        group, name = no_file.groups()
        options = sorted(file.stem for file in (CONF / group).glob("*.yaml") if not file.stem.startswith("base"))
        return f"There is no {group}={name}{nearest(name, options)}; the choices are {', '.join(options)}."
    if no_key := re.search(r"Could not override '([^']+)'", text):
        key = no_key.group(1)
        if (today := public_key(key)) != key:
            return f"{key} has been renamed to {today}."
        return no_such_key(key, keys) if keys else _not_in_the_config(key, command)
    if (there := re.search(r"An item is already at '([^']+)'", text)) is not None:
        return f"{there[1]} is already in this config: give it without the plus sign, as in {there[1]}=VALUE."
    if (gone := re.search(r"Could not delete from config\. (?:The value of )?'([^']+)'", text)) is not None:
        return f"There is no key {gone[1]} with that value to remove."
    if (several := re.match(r"(?:Ambiguous value for argument|Sweep parameters) '(.*)'", text)) is not None:
        key, _, values = several[1].partition("=")
        entry = keys_of(command or "train").get(key.lstrip("+"))
        a_list = entry is not None and holds(entry.kind, yaml.safe_load(f"[{values}]"))
        more = f"; a list needs brackets, as in {key}=[{values}]" if a_list else ""
        return (
            f"{several[1]} has several values: add -m to run each of them, as in -m {several[1]}; a single value "
            f"that contains a comma needs quotes, as in \"name='a,b'\"{more}."
        )
    if "Config group override must be a string" in text:
        return "A choice such as model=gru must name a file in conf/, not null or a number."
    if "OverrideParseException" in type(error).__name__:
        said = re.sub(r"^\w+Exception: ", "", one_line(str(error)).partition(" See http")[0])
        said = re.sub(r" (\^|expecting .*)$", "", said)  # drop the parser's list of all token types
        said = re.sub(r"^no viable alternative at input (.*)", r"\1 is incomplete", said)
        return (
            f"{said}: an override must be KEY=VALUE, and a value that contains brackets, "
            "commas, spaces or = needs quotes, as in 'tags=[\"a\"]'."
        )
    if strange := re.search(r"Error merging override \+*([\w.]+)=(.*)", text):
        key, value = strange.groups()
        kinds = [entry.kind for command in COMMANDS for name, entry in keys_of(command).items() if name == key]
        return f"{key} must be {words(kinds[0]) if kinds else 'of another type'}, got {value}."
    if not_there := re.search(r"Interpolation key '([^']+)' not found(?:\s+full_key: (\S+))?", text):
        name, by = not_there.groups()
        return f"There is no key {name}, which {by or 'another key'} refers to: add it."
    from hydra.errors import HydraException

    if isinstance(error, HydraException | OmegaConfBaseException):
        return one_line(text)
    return f"{type(error).__name__}: {one_line(text)}"


def no_such_key(key: str, known: Iterable[str]) -> str:
    """Return the message about an unknown key, suggesting the choices that have it or a similar key of ``known``.

    >>> no_such_key("model.strngth", ["model.strength", "trainer.strength"])
    'There is no key model.strngth (did you mean strength?).'
    >>> no_such_key("strength", ["model.strength", "seed"])
    'There is no key strength (did you mean model.strength?).'
    """
    above, _, name = key.rpartition(".")
    if above and (meant := MEANT.get(name, "")).startswith(f"{above}."):
        return f"There is no key {key} (did you mean {meant}?)."
    if choices := [choice for choice in keys_in_files().get(key, ()) if "=base" not in choice]:
        return f"There is no key {key} in this config: it needs {' or '.join(choices)}."
    parts = sorted({other.rpartition(".") for other in known})
    near = close_to(name, [last for node, _, last in parts if node == above and last != name])
    if not above:  # a key without the name of its group
        below: dict[str, str] = {}
        for node, _, last in parts:
            if node:
                below.setdefault(last, f"{node}.{last}")
        near = MEANT.get(name) or below.get(name) or near or below.get(close_to(name, [*below]) or "")
    return f"There is no key {key}{f' (did you mean {near}?)' if near else ''}."


def _not_in_the_config(key: str, command: str | None) -> str:
    """Return the message about a key that no chosen file has, with the plus sign where that would add it."""
    group, dot, name = key.rpartition(".")
    if key.startswith("study."):
        return f"There is no key {key} in this study: to add one that its file lacks, use a plus sign, +{key}=VALUE."
    if group == "trainer" and name in TRAINER_HAS:
        return f"trainer.{name} cannot be set: {TRAINER_HAS[name]}."
    if not dot and (CONF / key).is_dir():
        return f"The data set that should choose {key} does not: add it with +{key}=NAME."
    of_run = command is not None and "run" in COMMANDS.get(command, ()) and group in ("data", "model", "task")
    if of_run and (key in keys_of("train") or key in keys_in_files()):
        return f"{command} takes {key} from its run: to change it, train again with {key}=VALUE."
    entries = [entry for command in COMMANDS for known, entry in keys_of(command).items() if known == key]
    if any(entry.added for entry in entries):
        return f"{key} is in no file: give it with a plus sign, as in +{key}=VALUE."
    commands = [command] if command in COMMANDS else [*COMMANDS]
    sentence = no_such_key(key, [known for one in commands for known in keys_of(one)])
    if keys_in_files().get(key) or "did you mean" in sentence or command not in (None, "train"):
        return sentence
    own = (
        "to add an argument of a class of your own"
        if dot
        else f"to add a key of your own, to which other values refer as ${{{key}}}"
    )
    return f"{sentence[:-1]}; {own}, use a plus sign, as in +{key}=VALUE."


def one_line(text: str) -> str:
    """Return the text without line breaks and indentation."""
    text = text.partition("Exception raised from")[0]  # start of torch's own stack trace
    return " ".join(line.strip() for line in text.splitlines() if line.strip())


@cache
def keys_in_files() -> dict[str, list[str]]:
    """Map each key in the files of a run's config to the choices that have it, as ``group=choice``."""
    choices: dict[str, list[str]] = {}
    for file in [CONF / "train.yaml", *sorted(CONF.glob("*/*.yaml"))]:
        text, group = file.read_text(), file.parent.name
        is_global = file.parent == CONF or "# @package _global_" in text
        node = yaml.safe_load(text) or {}
        node.pop("defaults", None)
        for key in _dotted(node if is_global else {group: node}):
            choices.setdefault(key, []).extend([] if file.parent == CONF else [f"{group}={file.stem}"])
    return choices


def _dotted(node: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in node.items():
        yield f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{name}.")
