"""Benchmarks of training steps against PyTorch and other libraries, and of the framework's and gates' overhead."""

from pathlib import Path

CONF = Path(__file__).resolve().parent / "conf"
