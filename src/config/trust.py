"""The classes that the config of a run from somebody else may name: ours, and a list of torch's and Lightning's.

Building what a config names runs code. On your own command line that is what you asked for; a run received from
somebody else is different, so only classes known to be harmless are built from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from src.config.errors import UserError
from src.config.names import HASHED_AS, public_name
from src.config.schema.arguments import CALLBACKS, OPTIMIZERS, SCHEDULERS

NETWORKS = ("GRU", "LSTM", "RNN", "RNNBase", "StackedRNN")
KNOWN = frozenset(
    [
        *HASHED_AS,
        "src.data.File",
        *(f"src.recurrent.{name}" for name in NETWORKS),
        *(f"torch.optim.{name}" for name in OPTIMIZERS),
        *(f"torch.optim.lr_scheduler.{name}" for name in SCHEDULERS),
        *(f"pytorch_lightning.callbacks.{name}" for name in CALLBACKS),
        "pytorch_lightning.Trainer",
        "pytorch_lightning.loggers.MLFlowLogger",
        "pytorch_lightning.loggers.TensorBoardLogger",
    ]
)
# Where a config names classes; anywhere else, the named class would be built as an argument of another.
PLACES = (
    "model",
    "data",
    "task",
    "optimizer",
    "scheduler",
    "trainer",
    "trainer.strategy",
    "logger",
)  # and callbacks.NAME, logger.NAME


def check_received(config: Mapping[str, Any], place: str, trust: str | Sequence[str] = ()) -> None:
    """Refuse a config, in plain containers, that names an untrusted class.

    Args:
        config: the config of a received run.
        place: its location, for the message.
        trust: modules (or classes) of the user's own whose classes may be built, e.g. ``their.module``.

    Raises:
        UserError: a class is neither known nor trusted or is somewhere unexpected, or a value asks Hydra or OmegaConf
            to evaluate something.
    """
    trusted = [trust] if isinstance(trust, str) else list(trust)
    for path, key, value in entries(config):
        if isinstance(value, str) and "${" in value:
            raise UserError(f"{place}: {path} is {value}, but the config of a run must contain plain values only.")
        if not (key.startswith("_") and key.endswith("_") and len(key) > 2) or (key == "_target_" and value is None):
            continue
        if key != "_target_" or not isinstance(value, str):
            raise UserError(f"{place}: {path} is an instruction to Hydra, which the config of a run must not contain.")
        if not _expected(path):
            raise UserError(f"{place}: {path} names the class {value} where the config of a run must not name one.")
        target = public_name(value)
        if target not in KNOWN and not any(target == name or target.startswith(f"{name}.") for name in trusted):
            module = target.rpartition(".")[0]
            raise UserError(
                f"{place} names the class {value}, which is not one of GateBench's: building it would run code from "
                f"{module}; if you trust that module, add trust={module}."
            )


def _expected(path: str) -> bool:
    node = path.removesuffix("._target_")
    return node in PLACES or (node.startswith(("callbacks.", "logger.")) and node.count(".") == 1)


def entries(node: Any, path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Iterate over all keys and list items below a node, with their dotted paths."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(node, Mapping):
        items = node.items()
    elif isinstance(node, list | tuple):
        items = enumerate(node)
    for key, value in items:
        here = f"{path}.{key}" if path else str(key)
        yield here, str(key), value
        yield from entries(value, here)
