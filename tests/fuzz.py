"""Random command lines with one mistake each: every one must be refused in a sentence, or be legal by the schema.

``python -m tests.fuzz 10000 7`` tries so many with that seed, and prints what was accepted in silence.
"""

import os
import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from src.config.errors import UserError
from src.config.in_words import in_words
from src.config.instantiate import plain
from src.config.places import CONF, register_resolvers
from src.config.rules import check
from src.config.schema import keys_of
from src.config.schema.commands import COMMANDS
from src.config.schema.entries import holds
from src.config.shell import (
    given_keys,
    refuse_missing,
    refuse_more_than_machine,
    refuse_taken_away,
    refuse_width_beside_budget,
    wrong_line,
)
from src.config.takes import kinds_of
from src.config.unread import refuse_unread, unread

VALUES = (
    *("-3", "0", "1", "2", "5", "9999", "-1", "2.5", "-0.5", "0.5", "1.0", "1e9", "1e-9", "nan", "inf", "-inf"),
    *("null", "true", "false", "maybe", "auto", "''", "' '", "none", "Min", "test/zzz", "val/loss", "../../evil"),
    *("[]", "[1]", "[0.5,0.5]", "[a,a]", "[1,2,3]", "[null]", "[[1]]", "{}", "{a:1}", "{a:{b:2}}", "1" * 20),
)
BASES = {  # what stands beside the mistake, by command
    "train": (
        *(
            "",
            "data=csv data.path=x.csv",
            "data=csv data.path=x.csv data.task=classification",
            "data=text data.path=x.txt",
        ),
        *("data=npz data.path=x.npz", "data=wav_folder data.path=x", "data=wav_folder data.path=x data.task=waveform"),
        *("data=ett_h1", "data=fsdd", "data=jsb_chorales", "data=musedata", "data=seq_mnist", "data=adding"),
        *("model=rnn", "model=lstm", "model=keras_mixed", "model=gru_stacked", "model=lstm_coupled", "model=gru_chung"),
        *("optimizer=sgd", "optimizer=rmsprop", "optimizer=adamw", "scheduler=cosine", "scheduler=plateau"),
        *("scheduler=step", "trainer=ddp_cpu", "callbacks=explain", "callbacks=no_early_stopping", "logger=csv"),
        *("debug=overfit", "debug=fast_dev_run", "model.budget=20000", "data.chunk=5"),
    ),
    "answer": ("data=csv data.path=x.csv", "data=ucr minutes=3"),
    "evaluate": ("run=x",),
    "predict": ("run=x data.path=y",),
    "compare": ("study=x", "from=x.csv"),
    "explain": ("run=x", "study=x"),
    "export": ("run=x",),
    "generate": ("run=x",),
    "status": ("study=x",),
    "verify": ("study=x",),
    "dashboard": ("study=x",),
    "new": ("what=study name=mine data=csv data.path=x.csv", "what=model name=mine"),
    "prepare": ("", "data=ucr", "data=csv data.path=x.csv"),
}
PYTHON = re.compile(
    r"Error:|Exception|Traceback|<class|object at 0x|NoneType|omegaconf|DictConfig|struct|\bdict\b|\bkwargs\b"
    r"|ConfigAttribute|Union\["
)


@dataclass(frozen=True)
class Tried:
    """A command line and what came of it: the sentence, or None where it was accepted, and whether that was right."""

    command: str
    line: list[str]
    sentence: str | None
    legal: bool

    @property
    def is_fault(self) -> bool:
        """Accepted in silence, or refused in words that are not ours."""
        if self.sentence is None:
            return not self.legal
        return bool(PYTHON.search(self.sentence)) or "\n" in self.sentence or self.sentence[-1:] != "."


def lines(number: int, seed: int) -> Iterator[tuple[str, list[str], str]]:
    """Commands and command lines with one mistake each, and the key of the mistake."""
    chance = random.Random(seed)
    commands = ["train"] * 4 + [name for name in COMMANDS if name != "train"]
    for _ in range(number):
        command = chance.choice(commands)
        base = chance.choice(BASES[command]).split()
        keys = list(keys_of(command))
        kind = chance.random()
        if kind < 0.72:
            key = chance.choice(keys)
            yield command, [*base, f"{key}={chance.choice(VALUES)}"], key
        elif kind < 0.80:
            key = chance.choice(keys)
            yield command, [*base, f"{chance.choice(['+', '++'])}{key}={chance.choice(VALUES)}"], key
        elif kind < 0.93:  # a letter too few, or twice
            key = chance.choice(keys)
            place = chance.randrange(len(key))
            key = key[:place] + chance.choice([key[place] * 2, ""]) + key[place + 1 :]
            yield command, [*base, f"{chance.choice(['', '+', '++'])}{key}={chance.choice(VALUES)}"], key
        elif kind < 0.97:
            key = chance.choice(keys)
            yield command, [*base, f"~{key}"], f"~{key}"
        else:
            key = chance.choice(keys)
            yield command, [*base, f"{key}=1", f"{chance.choice(['', '+', '++', '~'])}{key}=1"], f"twice {key}"


def try_line(command: str, line: list[str], key: str) -> Tried:
    """What the command line says to one of them, as far as nothing is read or built."""
    try:
        if wrong := wrong_line(line, command):
            raise UserError(wrong)
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = hydra_compose(command, line, return_hydra_config=True)
        hydra = cfg.hydra
        OmegaConf.set_struct(cfg, False)
        del hydra, cfg["hydra"]
        OmegaConf.set_struct(cfg, True)
        given = given_keys(line)
        refuse_missing(cfg, command)
        refuse_taken_away(cfg, line, keys_of(command))
        check(cfg, command)
        refuse_width_beside_budget(cfg, given)
        refuse_unread(unread(plain(cfg), command=command), given, command)
        refuse_more_than_machine(cfg)
    except Exception as error:  # in words, whatever it is
        GlobalHydra.instance().clear()
        return Tried(command, line, in_words(error), legal=False)
    return Tried(command, line, None, legal=is_legal(command, plain(cfg), key))


def is_legal(command: str, config: dict[str, Any], key: str) -> bool:
    """Whether the value that a config has under a key is what the key's rule says, looked up by another way."""
    if key.startswith("~"):
        entry = keys_of(command).get(key[1:])
        return entry is None or entry.added or ("." in key and holds(entry.kind, None))
    if key.startswith("twice "):
        return False
    entry, group, name = keys_of(command).get(key), *key.rpartition(".")[::2]
    node: Any = config
    for part in filter(None, group.split(".")):
        node = node.get(part) if isinstance(node, dict) else None
    if not isinstance(node, dict) or name not in node:
        return key == "data" and command == "prepare"
    kinds = (kinds_of(group, node) or {}) if group else {}
    kind = kinds.get(name, entry.kind if entry else None)
    return kind is not None and holds(kind, node[name])


def silent(number: int, seed: int) -> tuple[list[Tried], Counter[str]]:
    """The faults among so many lines, and how many were refused and accepted."""
    register_resolvers()
    faults, counts = [], Counter[str]()
    for command, line, key in lines(number, seed):
        tried = try_line(command, line, key)
        counts["accepted" if tried.sentence is None else "refused"] += 1
        if tried.is_fault:
            faults.append(tried)
    return faults, counts


def main() -> None:
    """By hand."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        faults, counts = silent(int(sys.argv[1]), int(sys.argv[2]))
    for fault in faults:
        print(fault.command, " ".join(fault.line), "->", fault.sentence or "ACCEPTED")
    print(dict(counts), f"{len(faults)} faults")


if __name__ == "__main__":
    main()
