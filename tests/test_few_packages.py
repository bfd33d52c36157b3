"""Training to metrics.csv needs none of the packages that only other things need."""

import subprocess
import sys
from pathlib import Path

from benchmarks import made_up

ROOT = Path(__file__).resolve().parents[1]
WITHOUT = ("wandb", "wandb_workspaces", "sktime", "plotly", "mido", "submitit")
PROGRAM = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {WITHOUT}:
            raise ImportError(f"{{name}} is not installed")

sys.meta_path.insert(0, Blocked())
from src.train import main
main()
"""


def test_a_run_without_the_packages_that_it_does_not_need(tmp_path: Path) -> None:
    made_up.labelled(tmp_path / "data.npz", sequences=40)
    options = ("data=npz", f"data.path={tmp_path / 'data.npz'}", "model=gru_bi", "model.hidden_size=4", "logger=csv",
               "trainer.max_epochs=1", f"paths.runs_dir={tmp_path / 'runs'}")  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *options], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "acc" in done.stdout
