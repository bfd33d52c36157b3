"""Which classes the config of a run that somebody else made may name: ours, and a list of torch's and Lightning's.

Building what a config names runs code. On one's own command line that is what one asked for; in a directory that was
received it is not, so there only classes that are known to do no more than they say are built.
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
# Where a config names classes; a name anywhere else would be built as an argument of another one.
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
    """Refuse a config, as plain containers, that names a class which nobody vouches for.

    Args:
        config: of a run that was received.
        place: where it stands, for the sentence.
        trust: modules (or classes) of the user's own whose classes may be built, e.g. ``their.module``.

    Raises:
        UserError: a class is neither known nor trusted, stands where none is expected, or a value asks Hydra or
            OmegaConf for more than a value.
    """
    trusted = [trust] if isinstance(trust, str) else list(trust)
    for path, key, value in _entries(config):
        if isinstance(value, str) and "${" in value:
            raise UserError(f"{place}: {path} is {value}, and the config of a run holds plain values only.")
        if not (key.startswith("_") and key.endswith("_") and len(key) > 2) or (key == "_target_" and value is None):
            continue
        if key != "_target_" or not isinstance(value, str):
            raise UserError(f"{place}: {path} is an order to Hydra, which the config of a run does not hold.")
        if not _expected(path):
            raise UserError(f"{place}: {path} names the class {value} where the config of a run has none.")
        target = public_name(value)
        if target not in KNOWN and not any(target == name or target.startswith(f"{name}.") for name in trusted):
            module = target.rpartition(".")[0]
            raise UserError(
                f"{place} names the class {value}, which is none of GateBench's: building it would run code of "
                f"{module}; if you trust that module, add trust={module}."
            )


def _expected(path: str) -> bool:
    node = path.removesuffix("._target_")
    return node in PLACES or (node.startswith(("callbacks.", "logger.")) and node.count(".") == 1)


def _entries(node: Any, path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every key and every item of a list below a node, with its dotted path."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(node, Mapping):
        items = node.items()
    elif isinstance(node, list | tuple):
        items = enumerate(node)
    for key, value in items:
        here = f"{path}.{key}" if path else str(key)
        yield here, str(key), value
        yield from _entries(value, here)
