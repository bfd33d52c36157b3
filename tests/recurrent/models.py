"""The model configs as a run composes them, in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.utils import instantiate

from src.tasks.budget import without_budget

CONF = Path(__file__).resolve().parents[2] / "conf"
NAMES = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
MODELS = [name for name in NAMES if not name.startswith("base")]


def compose(model: str, input_size: int, dtype: torch.dtype = torch.float64, **options: Any) -> Any:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = hydra_compose(overrides=[f"+model={model}"]).model
    return instantiate(without_budget(config), input_size=input_size, dtype=dtype, _convert_="all", **options)
