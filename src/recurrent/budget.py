"""How many parameters a network has."""

from __future__ import annotations

from .parameters import collect
from .stack import Stack


def count_parameters(network: Stack) -> dict[str, int]:
    """Count the parameters of a recurrent network, without encoder and head.

    Args:
        network: any `Stack`.

    Returns:
        "recurrent": all of them. "effective": two bias vectors that only ever add up count as one; those of a GRU's
        candidate with ``reset_after`` do not, since the reset gate multiplies the second alone, and count as two.
    """
    recurrent = sum(parameter.numel() for parameter in network.parameters())
    doubled = 0
    for k, layer in enumerate(network.layers):
        apart = 1 if layer.cell.kind == "gru" and layer.cell.reset_after else 0
        for suffix in network.suffixes(k):
            if collect(network, suffix).bias_hh is not None:
                doubled += (len(layer.cell.gates) - apart) * layer.hidden_size
    return {"recurrent": recurrent, "effective": recurrent - doubled}
