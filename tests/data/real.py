"""Where the real data sets are, for tests that compare with figures measured on them."""

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data"
DATA = Path(os.environ.get("GATEBENCH_DATA_DIR", _BESIDE))


def needs(path: str) -> pytest.MarkDecorator:
    """Skip where the data folder has no ``path``."""
    return pytest.mark.skipif(not (DATA / path).exists(), reason=f"{DATA / path} is not here")
