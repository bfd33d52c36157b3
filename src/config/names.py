"""Public names of classes in configs, and the names that identities and earlier runs use for them.

A config names a class by its package alone (``src.data.UCR``), so that files may move without changing identities.
Identities were first computed over the paths of files; :data:`HASHED_AS` preserves them.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

# Public name -> the name used when an identity is computed, and in runs made before there were public names.
# Newer classes need no entry: they are hashed under their public name.
HASHED_AS = {
    "src.data.Adding": "src.data.synthetic.Adding",
    "src.data.CSV": "src.data.csv.CSV",
    "src.data.CopyMemory": "src.data.synthetic.CopyMemory",
    "src.data.ETT": "src.data.series.ETT",
    "src.data.Music": "src.data.music.Music",
    "src.data.NPZ": "src.data.npz.NPZ",
    "src.data.SequentialMNIST": "src.data.images.SequentialMNIST",
    "src.data.Shakespeare": "src.data.text.Shakespeare",
    "src.data.SpokenDigits": "src.data.speech.SpokenDigits",
    "src.data.SpokenDigitsWaveform": "src.data.waveform.SpokenDigitsWaveform",
    "src.data.Text": "src.data.text.Text",
    "src.data.UCR": "src.data.ucr.UCR",
    "src.data.WavFolder": "src.data.wav_folder.WavFolder",
    "src.explaining.Explain": "src.explaining.callback.Explain",
    "src.recurrent.StackedRNN": "src.recurrent.Stack",
    "src.tasks.Forecasting": "src.tasks.forecasting.Forecasting",
    "src.tasks.LanguageModel": "src.tasks.language_model.LanguageModel",
    "src.tasks.PerStepClassification": "src.tasks.per_step.PerStepClassification",
    "src.tasks.PolyphonicMusic": "src.tasks.music.PolyphonicMusic",
    "src.tasks.SequenceClassification": "src.tasks.classification.SequenceClassification",
    "src.tasks.SequenceRegression": "src.tasks.regression.SequenceRegression",
    "src.tasks.Waveform": "src.tasks.waveform.Waveform",
    "src.tasks.for_data": "src.tasks.auto.for_data",
    "src.training.JobDDP": "src.training.ddp.JobDDP",
    "src.training.WandbMirror": "src.training.wandb_mirror.WandbMirror",
}
OWN_FORMS = ("csv", "npz", "file", "text", "wav_folder")  # data=NAME for the user's own files
_PUBLIC = {old: public for public, old in HASHED_AS.items()}
# The same for keys of ``model``: current name -> the name in identities and in earlier runs and studies.
KEY_HASHED_AS = {"keep_gate_bias": "retain_bias"}
_PUBLIC_KEY = {old: public for public, old in KEY_HASHED_AS.items()}
_OURS = "src.recurrent."


def file_name(path: str) -> str:
    """Return the name of data in a user's own file or folder: its file name without extensions.

    >>> file_name("~/data/sensors.csv.gz"), file_name("my runs/2024.01/"), file_name("..") == file_name(".")
    ('sensors', '2024.01', False)
    """
    name = Path(path).expanduser().absolute()
    name = Path(os.path.normpath(name))
    stem = name.name if name.is_dir() or path.endswith("/") else re.sub(r"(\.[A-Za-z]\w{0,8})+$", "", name.name)
    return re.sub(r"[^\w.+-]+", "_", stem or name.name) or "data"


def public_name(target: str) -> str:
    """Return the public name of a class in a config, possibly one of an older run.

    >>> public_name("src.data.ucr.UCR"), public_name("their.module.Class")
    ('src.data.UCR', 'their.module.Class')
    """
    return _PUBLIC.get(target, target)


def public_names(config: Any) -> Any:
    """Copy plain containers, giving every ``_target_`` and every key of a built-in network its public name."""
    return _renamed(config, public_name, _PUBLIC_KEY, everywhere=False)


def hashed_names(config: Any) -> Any:
    """Copy plain containers, giving everything the name that identities were first computed with.

    Keys of user-supplied classes are renamed too, because they may be options passed on to a built-in class.
    """
    return _renamed(config, lambda target: HASHED_AS.get(public_name(target), target), KEY_HASHED_AS, everywhere=True)


def public_key(key: str) -> str:
    """Return the public name of a key, either dotted or a bare key of ``model``.

    >>> public_key("model.retain_bias"), public_key("retain_bias"), public_key("data.retain_bias")
    ('model.keep_gate_bias', 'keep_gate_bias', 'data.retain_bias')
    """
    return str(_renamed_key(key, _PUBLIC_KEY))


def _renamed(node: Any, rename: Callable[[str], str], keys: Mapping[str, str], *, everywhere: bool) -> Any:
    if isinstance(node, Mapping):
        here = keys if everywhere or str(node.get("_target_", _OURS)).startswith(_OURS) else {}
        return {
            _renamed_key(key, here): rename(value)
            if key == "_target_" and isinstance(value, str)
            else _renamed(value, rename, keys, everywhere=everywhere)
            for key, value in node.items()
        }
    if isinstance(node, list | tuple):
        return [_renamed(value, rename, keys, everywhere=everywhere) for value in node]
    return node


def _renamed_key(key: Any, names: Mapping[str, str]) -> Any:
    if not isinstance(key, str):
        return key
    node, dot, name = key.rpartition(".")
    return node + dot + names.get(name, name) if node in ("", "model") else key


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a module ``__getattr__`` that imports a public class on first use.

    ``homes`` maps each public name to the module below the package that defines the class.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return find
