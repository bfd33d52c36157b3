"""Sound in steps of samples: what is read, what is predicted, and the baselines against closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from src.config.errors import UserError
from src.data.describe import Classes
from src.data.own.wav_folder import WavFolder
from src.data.waveform import FrameSplit, baselines


def noise(seed: int, number: int) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=number) * 3000 + 100).astype(np.int16)


def write(folder, recordings: dict[str, np.ndarray], rate: int = 8000) -> None:
    for name, samples in recordings.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        wavfile.write(folder / name, rate, samples)


def test_each_step_reads_twenty_samples_and_predicts_the_next_ten():
    recordings = [noise(0, 95), noise(1, 60)]
    split = FrameSplit(recordings, window=20, hop=10, mean=100.0, scale=3000.0)
    assert split.lengths.tolist() == [7, 4]
    batch = split[torch.tensor([0, 1])]
    for row, (samples, length) in enumerate(zip(recordings, (7, 4), strict=True)):
        s = (samples.astype(np.float32) - 100) / 3000
        for t in range(length):
            np.testing.assert_allclose(batch.x[row, t].numpy(), s[10 * t : 10 * t + 20], rtol=1e-6)
            np.testing.assert_allclose(batch.y[row, t].numpy(), s[10 * t + 20 : 10 * t + 30], rtol=1e-6)
        assert not batch.x[row, length:].any()
        assert not batch.y[row, length:].any()


def test_samples_stay_16_bits_until_they_are_batched():
    assert FrameSplit([noise(0, 100)], window=20, hop=10, mean=0.0, scale=1.0).values.dtype == torch.int16


def test_standardised_by_the_training_files(tmp_path):
    write(tmp_path, {"train/a.wav": noise(0, 500), "train/b.wav": noise(1, 700) * 2, "val/c.wav": noise(2, 90)})
    write(tmp_path, {"test/d.wav": noise(3, 90)})
    data = WavFolder(path=str(tmp_path), chunk=10)
    output = data.description.output
    seen = np.concatenate([noise(0, 500), noise(1, 700) * 2]).astype(np.float64)
    assert output.mean == pytest.approx((seen.mean(),) * 10)
    assert output.scale == pytest.approx((seen.std(),) * 10)
    (batch,) = data.test_dataloader()
    np.testing.assert_allclose(batch.x[0, 0], (noise(3, 90)[:20] - seen.mean()) / seen.std(), rtol=1e-5)
    assert data.notes["sampling_rate"] == 8000


def test_long_recordings_come_in_chunks(tmp_path):
    write(tmp_path, {f"{split}/x.wav": noise(0, 1030) for split in ("train", "val", "test")})
    data = WavFolder(path=str(tmp_path), chunk=30, batch_size=1)
    batches = list(data.val_dataloader())
    assert [int(batch.lengths[0]) for batch in batches] == [30, 30, 30, 11]
    whole = data.splits["val"][torch.tensor([0])]
    assert torch.equal(torch.cat([batch.x for batch in batches], dim=1), whole.x)


def test_a_single_file_is_cut_by_position(tmp_path):
    samples = noise(0, 1000)
    write(tmp_path, {"long.wav": samples})
    data = WavFolder(path=str(tmp_path / "long.wav"), splits=[0.5, 0.25, 0.25], chunk=100)
    data.setup()
    values = {split: data.splits[split].values.flatten().numpy() for split in ("train", "val", "test")}
    np.testing.assert_array_equal(values["train"], samples[:500])
    np.testing.assert_array_equal(values["val"], samples[500:750])
    np.testing.assert_array_equal(values["test"], samples[750:])


def test_files_are_shared_out_by_chance(tmp_path):
    write(tmp_path, {f"{i}.wav": noise(i, 100 + 10 * i) for i in range(10)})
    data = WavFolder(path=str(tmp_path), splits=[0.6, 0.2, 0.2], chunk=100)
    data.setup()
    lengths = [data.splits[split].lengths.tolist() for split in ("train", "val", "test")]
    assert [len(each) for each in lengths] == [6, 2, 2]
    assert sorted(n for each in lengths for n in each) == list(range(8, 18))


def test_sub_folders_are_classes(tmp_path):
    tone = {"low": 300, "high": 2000}
    for name, hertz in tone.items():
        wave = (8000 * np.sin(2 * np.pi * hertz * np.arange(1600) / 8000)).astype(np.int16)
        write(tmp_path, {f"{name}/{i}.wav": wave[: 800 + 100 * i] for i in range(6)})
    data = WavFolder(path=str(tmp_path), task="classification", chunk=500, splits=[0.6, 0.2, 0.2])
    assert data.description.output == Classes(("high", "low"))
    assert data.description.input.size == 40
    assert not data.description.per_step
    for split, number in (("train", 4), ("val", 1), ("test", 1)):
        assert data.splits[split].targets.bincount().tolist() == [number, number]
    batch = next(iter(data.train_dataloader()))
    loudest = [data.splits["train"][torch.tensor([i])].x[0, 4].argmax().item() for i in range(8)]
    assert loudest[0] > loudest[-1]
    assert batch.starts is None
    assert data.baselines["majority/acc"] == 0.5


def test_stated_splits_hold_for_classes_too(tmp_path):
    for split in ("train", "val", "test"):
        write(tmp_path, {f"{split}/{name}/x.wav": noise(0, 400) for name in ("no", "yes")})
    data = WavFolder(path=str(tmp_path), task="classification")
    assert data.description.output == Classes(("no", "yes"))
    assert [len(data.splits[split]) for split in ("train", "val", "test")] == [2, 2, 2]


def test_a_class_without_a_training_file_is_refused(tmp_path):
    write(tmp_path, {f"{split}/{k}.wav": noise(k, 900) for k, split in enumerate(("train", "val", "test"))})
    with pytest.raises(UserError, match=r"The class test of .* has no file in train"):
        WavFolder(path=str(tmp_path), task="classification").setup()


def test_what_is_broken_is_named(tmp_path):
    write(tmp_path, {f"{split}/x.wav": noise(0, 100) for split in ("train", "val", "test")})
    write(tmp_path, {"val/short.wav": noise(0, 29)})
    with pytest.raises(UserError, match=r"short\.wav has 29 samples.*at least 30"):
        WavFolder(path=str(tmp_path)).setup()
    write(tmp_path / "one", {f"x/{i}.wav": noise(i, 400) for i in range(3)})
    with pytest.raises(UserError, match="have the class x: there must be at least two"):
        WavFolder(path=str(tmp_path / "one"), task="classification").setup()
    with pytest.raises(UserError, match=r"data\.window must be a multiple of data\.hop=10, got 25"):
        WavFolder(path=str(tmp_path), window=25)
    with pytest.raises(UserError, match=r"data\.task must be one of waveform, classification, got speech"):
        WavFolder(path=str(tmp_path), task="speech")
    write(tmp_path, {"top.wav": noise(0, 100)})
    with pytest.raises(UserError, match=r"top\.wav must be in a sub-folder"):
        WavFolder(path=str(tmp_path), task="classification").setup()
    silent = tmp_path / "silent"
    write(silent, {f"{split}/x.wav": np.zeros(100, np.int16) for split in ("train", "val", "test")})
    with pytest.raises(UserError, match="silent"):
        WavFolder(path=str(silent)).setup()


def test_baselines_are_the_likeliest_normal_densities():
    generator = np.random.default_rng(0)
    walk = np.zeros(30_000)
    for t in range(1, len(walk)):
        walk[t] = 0.9 * walk[t - 1] + generator.normal()
    train = FrameSplit([walk[:20_000].astype(np.float32)], window=4, hop=2, mean=0.3, scale=2.0)
    test = FrameSplit([walk[20_000:].astype(np.float32)], window=4, hop=2, mean=0.3, scale=2.0)
    (figures,) = baselines(train, test)

    (seen,), (asked,) = ((split[torch.tensor([0])].y.double()) for split in (train, test))
    normal = torch.distributions.Normal(seen.mean(0), seen.std(0, correction=0))
    assert figures["gaussian/nll"] == pytest.approx(-normal.log_prob(asked).sum(1).mean().item(), rel=1e-9)
    # With unit steps s and weight a, the next two samples vary by s^2 and s^2 (1 + a^2) around a linear prediction.
    variances = torch.tensor([1.0, 1 + 0.9**2]) / 4
    assert figures["linear/nll"] == pytest.approx(
        sum(0.5 * math.log(2 * math.pi * math.e * v) for v in variances), abs=0.02
    )


def test_new_recordings_are_standardised_as_the_training_ones(tmp_path):
    write(tmp_path / "old", {f"{i}.wav": noise(i, 200) for i in range(4)})
    write(tmp_path / "new", {"x.wav": noise(9, 100) + 50, "y/z.wav": noise(8, 60)})
    data = WavFolder(path=str(tmp_path / "old"), chunk=100)
    new = data.new_data(str(tmp_path / "new"))
    assert new.names == ["x.wav", "y/z.wav"]
    output = data.description.output
    expected = ((noise(9, 100) + 50)[20:30] - output.mean[0]) / output.scale[0]
    np.testing.assert_allclose(new.split[torch.tensor([0])].y[0, 0], expected, rtol=1e-5)
    write(tmp_path / "new", {"short.wav": noise(0, 10)})
    with pytest.raises(UserError, match=r"short\.wav has 10 samples"):
        data.new_data(str(tmp_path / "new"))


def test_new_recordings_have_the_classes_of_train_or_none(tmp_path):
    write(tmp_path / "old", {f"{name}/{i}.wav": noise(i, 400) for name in ("no", "yes") for i in range(3)})
    data = WavFolder(path=str(tmp_path / "old"), task="classification")
    known = data.new_data(str(tmp_path / "old"))
    assert known.labelled
    assert known.split.targets.tolist() == [0, 0, 0, 1, 1, 1]
    first = known.split[torch.tensor([0])].x
    again = data._classed([data._spectra(noise(0, 400))], torch.zeros(1))[torch.tensor([0])].x
    assert torch.equal(first, again)
    write(tmp_path / "new", {"x.wav": noise(0, 400)})
    assert not data.new_data(str(tmp_path / "new")).labelled
