"""Write generated sequences, preceded by their primer, to files for listening, reading and viewing."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from functools import singledispatch
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from src.config.errors import UserError
from src.config.screen import printable
from src.figures.canvas import save
from src.figures.piano_roll import draw_piano_roll
from src.files import write_atomically
from src.tasks.base import Task
from src.tasks.language_model import LanguageModel
from src.tasks.music import PolyphonicMusic
from src.tasks.waveform import Waveform

if TYPE_CHECKING:
    from mido import MidiFile

LOWEST = 21  # the MIDI number of a piano's first key
TICKS = 480  # MIDI ticks per frame


@singledispatch
def write(task: Task, primer: Tensor, drawn: Tensor, path: Path, facts: dict[str, Any]) -> list[Path]:
    """Write a continuation.

    Args:
        task: the task that generated it.
        primer: (time, ...), as the task's input.
        drawn: (steps, ...), from `src.generating.continuing.generate`.
        path: path of the files, without extension.
        facts: ``model`` (its name), ``frames_per_second`` (music), ``rate`` (waveform, samples per second; None:
            unknown).

    Returns:
        The files.
    """
    raise NotImplementedError


@write.register
def _(task: PolyphonicMusic, primer: Tensor, drawn: Tensor, path: Path, facts: dict[str, Any]) -> list[Path]:
    roll = np.concatenate([primer.numpy(), drawn.numpy()]).astype(np.uint8)
    if roll.shape[1] != 88:
        raise UserError(f"The data have {roll.shape[1]} keys, but a MIDI file needs the 88 of a piano.")
    if importlib.util.find_spec("matplotlib") is None:
        raise UserError("The piano roll needs the package matplotlib: pip install -e '.[report]' in GateBench's clone.")
    midi = to_midi(roll, facts["frames_per_second"])
    write_atomically(path.with_name(f"{path.name}.mid"), lambda out: midi.save(file=out))
    pictures = save(draw_piano_roll(roll, len(primer), facts["model"]), path)
    return [path.with_name(f"{path.name}.mid"), *pictures]


@write.register
def _(task: LanguageModel, primer: Tensor, drawn: Tensor, path: Path, facts: dict[str, Any]) -> list[Path]:
    form, names = task.description.input, task.description.output.names  # type: ignore[union-attr]
    words = form.unit != "character"  # type: ignore[union-attr]
    text = to_text([names[token] for token in [*primer.tolist(), *drawn.tolist()]], words)
    file = path.with_name(f"{path.name}.txt")
    write_atomically(file, lambda out: out.write(text.encode()))
    print(printable(text))
    return [file]


@write.register
def _(task: Waveform, primer: Tensor, drawn: Tensor, path: Path, facts: dict[str, Any]) -> list[Path]:
    from scipy.io import wavfile

    if facts["rate"] is None:
        raise UserError("The data of this run have no sampling rate, which a WAV file needs.")
    hop = drawn.shape[-1]
    samples = np.concatenate([primer[0].numpy(), primer[1:, -hop:].numpy().ravel(), drawn.numpy().ravel()])
    output: Any = task.description.output
    whole = samples * output.scale[0] + output.mean[0] if output.scale else samples
    sound = BytesIO()
    wavfile.write(sound, facts["rate"], np.clip(np.rint(whole), -(2**15), 2**15 - 1).astype(np.int16))
    file = path.with_name(f"{path.name}.wav")
    write_atomically(file, lambda out: out.write(sound.getvalue()))
    return [file]


def to_text(tokens: Sequence[str], words: bool) -> str:
    """Join characters directly, and words with spaces, with ``<eos>`` as the end of a line."""
    if not words:
        return "".join(tokens)
    return re.sub(" ?\n ?", "\n", " ".join("\n" if token == "<eos>" else token for token in tokens))


def to_midi(roll: np.ndarray, frames_per_second: float) -> MidiFile:
    """Convert a piano roll (frames, 88) to MIDI; a key that sounds in consecutive frames is one long note.

    Args:
        roll: zeros and ones; column k is MIDI note k + 21.
        frames_per_second: playback speed. A frame is a quarter note in the file.

    Raises:
        UserError: mido is not installed.
    """
    try:
        import mido
    except ImportError as error:
        raise UserError(
            "MIDI files need the package mido: pip install -e '.[generate]' in GateBench's clone."
        ) from error

    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=round(1e6 / frames_per_second), time=0)])
    edges = np.diff(np.pad(roll.astype(np.int8), ((1, 1), (0, 0))), axis=0)  # 1 at the start of a note, -1 at its end
    waited = 0
    for frame in edges:
        for kind, keys in (("note_off", frame < 0), ("note_on", frame > 0)):
            for key in np.flatnonzero(keys).tolist():
                track.append(mido.Message(kind, note=key + LOWEST, velocity=64, time=waited))
                waited = 0
        waited += TICKS
    track.append(mido.MetaMessage("end_of_track", time=waited - TICKS))
    return mido.MidiFile(type=0, ticks_per_beat=TICKS, tracks=[track])
