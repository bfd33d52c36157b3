"""What was generated reads back as it was drawn."""

import mido
import numpy as np
import pytest
import torch
from scipy.io import wavfile

from src.config.errors import UserError
from src.data.describe import Bits, Description, Features, Values
from src.figures.piano_roll import note
from src.generating.formats import LOWEST, TICKS, to_midi, to_text, write
from tests.exporting.tasks import TASKS, make


def read_back(midi, frames):
    roll, time, since = np.zeros((frames, 88), np.uint8), 0, {}
    for message in midi.tracks[0]:
        time += message.time
        assert time % TICKS == 0
        if message.type == "note_on":
            since[message.note] = time // TICKS
        elif message.type == "note_off":
            roll[since.pop(message.note) : time // TICKS, message.note - LOWEST] = 1
    assert not since
    assert time // TICKS == frames
    return roll


def test_a_midi_file_holds_the_roll_and_its_speed(tmp_path):
    roll = (np.random.default_rng(0).random((40, 88)) < 0.3).astype(np.uint8)
    roll[[0, 17, -1]] = 0
    to_midi(roll, 4.0).save(tmp_path / "x.mid")
    midi = mido.MidiFile(tmp_path / "x.mid")
    assert np.array_equal(read_back(midi, 40), roll)
    assert midi.length == pytest.approx(10)


def test_music_is_written_with_its_primer_and_a_picture(tmp_path, monkeypatch):
    description = Description(Features(88), Bits(88), per_step=True, varying_length=True, causal=True)
    monkeypatch.setitem(TASKS, "piano", (TASKS["music"][0], description, {}))
    rng = torch.Generator().manual_seed(0)
    primer, drawn = ((torch.rand(n, 88, generator=rng) < 0.1).float() for n in (3, 5))
    files = write(make("piano"), primer, drawn, tmp_path / "new" / "it", {"model": "gru", "frames_per_second": 2.0})
    assert sorted(file.suffix for file in files) == [".mid", ".png", ".svg"]
    assert all(file.stat().st_size for file in files)
    assert np.array_equal(read_back(mido.MidiFile(tmp_path / "new" / "it.mid"), 8), torch.cat([primer, drawn]).numpy())


def test_other_instruments_than_a_piano_are_refused(tmp_path):
    with pytest.raises(UserError, match="4 keys"):
        write(make("music"), torch.zeros(2, 4), torch.zeros(2, 4), tmp_path / "it", {"frames_per_second": 2.0})


def test_a_waveform_is_written_in_its_own_unit_sample_by_sample(tmp_path, monkeypatch):
    values = Values(2, mean=(10.0, 10.0), scale=(100.0, 100.0))
    description = Description(Features(4), values, per_step=True, varying_length=True, causal=True)
    monkeypatch.setitem(TASKS, "recording", (TASKS["waveform"][0], description, {"mixtures": 3}))
    samples = torch.linspace(-3, 3, 14)
    primer = samples[:8].unfold(0, 4, 2)  # three steps of four samples, two samples apart
    (file,) = write(make("recording"), primer, samples[8:].view(3, 2), tmp_path / "it", {"rate": 8000})
    rate, found = wavfile.read(file)
    assert (rate, found.dtype) == (8000, np.int16)
    np.testing.assert_array_equal(found, np.rint(samples.numpy() * 100 + 10))
    with pytest.raises(UserError, match="no sampling rate"):
        write(make("recording"), primer, samples[8:].view(3, 2), tmp_path / "it", {"rate": None})


def test_words_and_lines_and_characters():
    assert to_text(["to", "be,", "<eos>", "or", "not"], words=True) == "to be,\nor not"
    assert to_text(["to", "<eos>", "<eos>", "be", "<eos>"], words=True) == "to\n\nbe\n"
    assert to_text(list("to be,\nor"), words=False) == "to be,\nor"


def test_names_of_keys():
    assert [note(key) for key in (0, 39, 48, 87)] == ["A0", "C4", "A4", "C8"]
