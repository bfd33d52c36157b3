"""Spoken digits: spectra against their definition, the official split, the cache."""

import io
import math
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.fft import dct
from scipy.io import wavfile

from src.config.errors import UserError
from src.data.download import File, digest
from src.data.mel import log_mel, mel_bands, mfcc
from src.data.sets import spoken_digits
from src.data.sets.spoken_digits import Recording, SpokenDigits, SpokenDigitsWaveform, recordings
from tests.data.real import DATA, needs


def noise(samples: int, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(samples) * 3000).astype(np.int16)


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> Path:
    """An archive of two digits by two speakers, ten recordings each."""
    path = tmp_path / "fsdd" / "v1.0.10.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as out:
        for digit in (3, 8):
            for speaker in ("anna", "bert"):
                for index in range(10):
                    content = io.BytesIO()
                    wavfile.write(content, 8000, noise(800 + 160 * index, 100 * digit + index))
                    about = tarfile.TarInfo(f"somewhere/recordings/{digit}_{speaker}_{index}.wav")
                    about.size = len(content.getvalue())
                    content.seek(0)
                    out.addfile(about, content)
    file = File("fsdd/v1.0.10.tar.gz", "", f"sha256-recordings:{digest(path, 'sha256-recordings')}")
    monkeypatch.setattr(spoken_digits, "FSDD", file)
    return tmp_path


def read(folder: Path, **keywords: object) -> SpokenDigits:
    data = SpokenDigits(data_dir=str(folder), cache_dir=str(folder / "cache"), **{"val_fraction": 0.2} | keywords)
    data.setup()
    return data


def test_bands_are_triangles_that_add_up_to_one_between_the_first_and_the_last_centre():
    bands = mel_bands(8000, 4096, 20)
    frequencies = torch.linspace(0, 4000, 2049)
    mel = 2595 * math.log10(1 + 4000 / 700) / 21
    first, last = (700 * (10 ** (k * mel / 2595) - 1) for k in (1, 20))
    inside = (frequencies > first) & (frequencies < last)
    torch.testing.assert_close(bands[:, inside].sum(0), torch.ones(int(inside.sum())), atol=1e-5, rtol=0)
    assert (bands >= 0).all()
    assert float(bands.max()) <= 1


def test_log_mel_equals_a_plain_fourier_transform():
    samples = torch.from_numpy(noise(1000, 0)).float() / 2**15
    computed = log_mel(samples, 8000)
    padded = np.pad(samples.numpy().astype(np.float64), 128)
    window = np.zeros(256)
    window[28:228] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(200) / 200)
    frames = []
    for begin in range(0, len(padded) - 256 + 1, 80):
        power = np.abs(np.fft.rfft(padded[begin : begin + 256] * window)) ** 2 / 200
        frames.append(np.log(np.maximum(mel_bands(8000, 256, 40).double().numpy() @ power, 1e-6)))
    assert computed.shape == (len(frames), 40)
    np.testing.assert_allclose(computed.numpy(), np.array(frames), atol=1e-3)


def test_a_tone_is_loudest_in_the_band_around_it():
    tone = torch.sin(2 * math.pi * 1000 * torch.arange(4000) / 8000)
    loudest = log_mel(tone, 8000)[10:-10].argmax(1)
    centre = 2595 * math.log10(1 + 1000 / 700) / (2595 * math.log10(1 + 4000 / 700)) * 41 - 1
    assert (loudest - centre).abs().max() <= 1


def test_too_few_samples_per_second_are_refused():
    with pytest.raises(UserError, match="40 samples per second, too few for a spectrum every 10 ms"):
        log_mel(torch.zeros(400), 40)


def test_mfcc_is_the_cosine_transform_of_log_mel():
    samples = torch.from_numpy(noise(1000, 1)).float() / 2**15
    logs = log_mel(samples, 8000).numpy()
    np.testing.assert_allclose(mfcc(samples, 8000).numpy(), dct(logs, norm="ortho", axis=1)[:, :13], atol=1e-5)
    assert mfcc(samples, 8000)[0, 0] == pytest.approx(logs[0].sum() / math.sqrt(40), abs=1e-4)


def test_recordings_say_what_they_are(tiny):
    spoken = list(recordings(tiny / "fsdd" / "v1.0.10.tar.gz"))
    assert len(spoken) == 40
    assert all(isinstance(r, Recording) for r in spoken)
    assert (spoken[0].digit, spoken[0].speaker, spoken[0].index) == (3, "anna", 0)
    np.testing.assert_array_equal(spoken[0].samples, noise(800, 300))


def test_recordings_0_to_4_are_the_test_set_and_validation_has_every_speaker_and_digit(tiny):
    data = read(tiny)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 16, "val": 4, "test": 20}
    assert torch.bincount(data.splits["val"].targets).tolist()[3] == 2
    assert sorted(data.splits["test"].lengths.tolist()) == sorted(4 * [(800 + 160 * i) // 80 + 1 for i in range(5)])
    train = data.splits["train"].values
    torch.testing.assert_close(train.mean(0), torch.zeros(40), atol=1e-4, rtol=0)
    torch.testing.assert_close(train.std(0, correction=0), torch.ones(40), atol=1e-4, rtol=0)


def test_features_come_from_the_cache_the_second_time(tiny, monkeypatch):
    first = read(tiny, features="mfcc")
    assert first.description.input.size == 13
    monkeypatch.setattr(spoken_digits, "recordings", lambda _: pytest.fail("computed again"))
    again = read(tiny, features="mfcc")
    for split in first.splits:
        assert torch.equal(first.splits[split].values, again.splits[split].values)


def test_what_cannot_be_is_refused(tiny):
    for features in ("wav", ["log_mel"]):
        with pytest.raises(UserError, match=r"data\.features must be one of log_mel, mfcc"):
            read(tiny, features=features)
    (tiny / "fsdd" / "v1.0.10.tar.gz").write_bytes(b"no archive")
    with pytest.raises(UserError, match="wav files"):
        read(tiny)


@needs("fsdd/v1.0.10.tar.gz")
def test_the_real_recordings(tmp_path):
    spoken = list(recordings(DATA / spoken_digits.FSDD.path))
    assert len(spoken) == 3000
    assert sum(r.test for r in spoken) == 300
    assert len({r.speaker for r in spoken}) == 6
    assert digest(DATA / spoken_digits.FSDD.path, "sha256-recordings") == spoken_digits.FSDD.digest.split(":")[1]


@needs("fsdd/v1.0.10.tar.gz")
def test_the_real_recordings_as_waveforms(tmp_path):
    data = SpokenDigitsWaveform(data_dir=str(DATA), cache_dir=str(tmp_path))
    data.setup()
    assert [len(data.splits[split]) for split in ("train", "val", "test")] == [2460, 240, 300]
    assert data.baselines["linear/nll"] < data.baselines["gaussian/nll"] < 5 * math.log(2 * math.pi * math.e)
