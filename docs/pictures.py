"""The pictures of the pages: ``python docs/pictures.py``, after the commands of docs/inside_gru.md, in their folder.

Pictures of runs that are not there stay as they are; the README's is drawn from committed records.
"""

import shutil
from pathlib import Path

import gatebench

HERE = Path(__file__).resolve().parent
TUTORIAL = {
    "chorales_gates": "runs/chorales/gates_layer0",
    "chorales_horizons": "runs/chorales/horizons",
    "chorales_gradients": "runs/gradients/gradients_layer0",
    "chorales_along_training": "runs/gradients/along_training",
    "chorale_generated": "runs/music",
    "memory_horizon": "runs/lengths/memory_horizon",
}
README = {"comparison.svg": HERE.parent / "experiments" / "chung2014_music"}


def copy_tutorial(folder: Path) -> None:
    """Copy what the commands of the tutorial drew in the working folder."""
    for name, source in TUTORIAL.items():
        if Path(f"{source}.png").is_file():
            shutil.copy(f"{source}.png", folder / f"{name}.png")


def draw_readme(folder: Path, scratch: Path) -> None:
    """Draw the paired differences of published studies, as their reports show them."""
    for name, records in README.items():
        gatebench.compare(from_=records, directory=str(scratch), figures=["svg"])
        shutil.copy(scratch / "figures" / "differences.svg", folder / name)


if __name__ == "__main__":
    copy_tutorial(HERE / "img")
    draw_readme(HERE / "img", HERE.parent / "build" / "pictures")
