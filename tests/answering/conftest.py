"""Files for answers, and answers in this process, one run after the other."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from src.api.answer import Answer, answer

QUICK = {
    "hydra/launcher": "basic",
    "trainer.max_epochs": 2,
    "model.budget": 300,
    "model.budget_tolerance": 0.3,
    "trainer.enable_progress_bar": False,
}


def gestures(path: Path, noise: float = 0.2, alike: bool = False) -> Path:
    """Circles that turn left or right, 60 of them, a row a step; ``alike``: every tenth is b, whatever it does."""
    rng = random.Random(0)
    lines = ["take,step,x,y,gesture"]
    for take in range(60):
        turn = 1 if take % 2 else -1
        label = ("b" if take % 10 == 0 else "a") if alike else "ab"[take % 2]
        for step in range(rng.randint(6, 10)):
            x, y = math.cos(step / 3) + rng.gauss(0, noise), turn * math.sin(step / 3) + rng.gauss(0, noise)
            lines.append(f"{take},{step},{x:.3f},{y:.3f},{label}")
    path.write_text("\n".join(lines) + "\n")
    return path


def months(path: Path, rows: int = 144) -> Path:
    """One series, a row a month."""
    rng = random.Random(0)
    lines = ["month,passengers"]
    for k in range(rows):
        season = 30 * math.sin(2 * math.pi * k / 12)
        lines.append(f"{1990 + k // 12}-{k % 12 + 1:02d}-01,{100 + k + season + rng.gauss(0, 2):.1f}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def answered(places: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """``answered(file, minutes, **{"data.target": ...})``: what ``gatebench answer`` gives, in this process."""
    monkeypatch.setenv("GATEBENCH_CACHE_DIR", str(places / "derived"))
    monkeypatch.chdir(tmp_path)

    def made(file: Path, minutes: float, **settings: Any) -> Answer:
        own = {key: settings.pop(key) for key in ("margin", "metric") if key in settings}
        return answer(file, minutes=minutes, overrides={**QUICK, **settings}, **own)

    return made
