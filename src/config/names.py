"""Public names of classes in configs, and the names that identities and runs made earlier know them by.

A config names a class by its room alone (``src.data.UCR``), so that files may move without a run's identity changing.
Identities were first computed over the paths of files; :data:`HASHED_AS` keeps them what they were.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

# The public name, and the name that stands in its place when an identity is computed and in runs made before there
# were public names. A class that comes later needs no entry: it is hashed under its public name.
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
_PUBLIC = {old: public for public, old in HASHED_AS.items()}


def public_name(target: str) -> str:
    """The public name of a class that a config, maybe of an older run, names.

    >>> public_name("src.data.ucr.UCR"), public_name("their.module.Class")
    ('src.data.UCR', 'their.module.Class')
    """
    return _PUBLIC.get(target, target)


def public_names(config: Any) -> Any:
    """A copy of plain containers in which every ``_target_`` has its public name."""
    return _renamed(config, public_name)


def hashed_names(config: Any) -> Any:
    """A copy of plain containers in which every ``_target_`` has the name that identities were first computed with."""
    return _renamed(config, lambda target: HASHED_AS.get(public_name(target), target))


def _renamed(node: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(node, Mapping):
        return {
            key: rename(value) if key == "_target_" and isinstance(value, str) else _renamed(value, rename)
            for key, value in node.items()
        }
    return [_renamed(value, rename) for value in node] if isinstance(node, list | tuple) else node


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's ``__getattr__`` that imports a public class only when it is asked for.

    Args:
        package: the module's ``__name__``.
        homes: by public name, the module below the package that the class stands in.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{homes[name]}"), name)

    return find
