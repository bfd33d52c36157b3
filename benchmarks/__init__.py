"""What a training step costs beside PyTorch and other libraries, and what the framework and a gate add to it."""

from pathlib import Path

CONF = Path(__file__).resolve().parent / "conf"
