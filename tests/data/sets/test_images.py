"""MNIST as sequences: read from files that the test writes, in order and permuted."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from src.config.errors import UserError
from src.data.download import File
from src.data.sets import images
from src.data.sets.images import SequentialMNIST, permutation, read_idx
from tests.data.real import DATA, needs


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> tuple[Path, dict[str, np.ndarray]]:
    """Forty training and ten test images of noise, compressed as MNIST is."""
    drawn = np.random.default_rng(0)
    arrays = {
        "train-images-idx3": drawn.integers(0, 256, (40, 28, 28), dtype=np.uint8),
        "train-labels-idx1": np.repeat(np.arange(10, dtype=np.uint8), 4),
        "t10k-images-idx3": drawn.integers(0, 256, (10, 28, 28), dtype=np.uint8),
        "t10k-labels-idx1": np.arange(10, dtype=np.uint8),
    }
    for name, array in arrays.items():
        path = tmp_path / "mnist" / f"{name}-ubyte.gz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(idx(array)))
        md5 = hashlib.md5(idx(array)).hexdigest()
        monkeypatch.setitem(images.FILES, name, File(f"mnist/{name}-ubyte.gz", "", f"md5-uncompressed:{md5}"))
    return tmp_path, arrays


def read(folder: Path, **keywords: object) -> SequentialMNIST:
    data = SequentialMNIST(data_dir=str(folder), cache_dir=str(folder / "cache"), **{"val_fraction": 0.25} | keywords)
    data.setup()
    return data


def everything(data: SequentialMNIST, split: str) -> torch.Tensor:
    return data.splits[split][torch.arange(len(data.splits[split]))].x


def test_an_idx_file_is_read_as_it_was_written(tiny):
    folder, arrays = tiny
    for name, array in arrays.items():
        np.testing.assert_array_equal(read_idx(folder / "mnist" / f"{name}-ubyte.gz"), array)


def test_rows_and_pixels_are_the_same_image(tiny):
    folder, arrays = tiny
    rows, pixels = read(folder, by="row"), read(folder, by="pixel")
    assert rows.description.input.size == 28
    assert pixels.description.input.size == 1
    assert torch.equal(everything(rows, "test").reshape(10, -1), everything(pixels, "test").reshape(10, -1))
    assert everything(pixels, "test").shape == (10, 784, 1)
    scale, mean = rows.splits["test"].scale, rows.splits["test"].mean
    image = everything(rows, "test")[3] * scale + mean
    np.testing.assert_allclose(image.numpy(), arrays["t10k-images-idx3"][3], atol=1e-3)


def test_training_pixels_are_standardised(tiny):
    train = everything(read(tiny[0], by="row"), "train")
    assert float(train.mean()) == pytest.approx(0, abs=1e-5)
    assert float(train.std(correction=0)) == pytest.approx(1, abs=1e-5)


def test_validation_is_cut_class_by_class_and_nothing_is_lost(tiny):
    data = read(tiny[0])
    assert (torch.bincount(data.splits["val"].targets) == 1).all()
    assert (torch.bincount(data.splits["train"].targets) == 3).all()
    assert len(data.splits["test"]) == 10


def test_one_permutation_for_all_images_and_all_runs(tiny):
    folder, _ = tiny
    order = torch.from_numpy(permutation(3))
    for seed in (0, 1):
        plain, permuted = (read(folder, permute=permute, seed=seed, permutation_seed=3) for permute in (False, True))
        for split in ("train", "val", "test"):
            assert torch.equal(everything(permuted, split), everything(plain, split)[:, order])
    assert read(folder, permute=True, permutation_seed=4).checksum != read(folder, permute=True).checksum


def test_the_permutation_is_the_same_for_ever():
    assert sorted(permutation(0)) == list(range(784))
    assert permutation(0)[:8].tolist() == [693, 85, 647, 392, 765, 14, 299, 711]


def test_an_altered_image_is_refused(tiny):
    folder, arrays = tiny
    arrays["t10k-images-idx3"][0, 0, 0] ^= 1
    (folder / "mnist" / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(arrays["t10k-images-idx3"])))
    with pytest.raises(UserError, match="md5 of the uncompressed contents"):
        read(folder)


@needs("mnist/train-images-idx3-ubyte.gz")
def test_the_real_images(tmp_path):
    data = SequentialMNIST(data_dir=str(DATA), cache_dir=str(tmp_path), by="row")
    data.setup()
    assert len(data.splits["train"]) + len(data.splits["val"]) == 60000
    assert abs(len(data.splits["val"]) - 6000) <= 5  # rounded class by class
    assert len(data.splits["test"]) == 10000
    split = data.splits["train"]
    assert split.values.dtype == torch.uint8
    # The mean and standard deviation that everyone uses, of all 60,000 images.
    assert split.mean / 255 == pytest.approx(0.1307, abs=5e-4)
    assert split.scale / 255 == pytest.approx(0.3081, abs=5e-4)
    assert data.baselines["majority/acc"] == 0.1135  # the ones
