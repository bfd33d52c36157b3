"""Size of a network: parameters, carried state, work per step; and the width for a given size."""

from __future__ import annotations

from collections.abc import Callable

from .stack import StackedRNN

WIDEST = 2**24  # units; a network that is still too small at this width does not grow with it


def count_parameters(network: StackedRNN) -> dict[str, int]:
    """Count the parameters of a recurrent network, without encoder and head.

    Returns:
        "recurrent": all of them. "effective": counts two bias vectors that are only added as one; otherwise
        (`Equations.gates_with_two_biases`) as two.
    """
    recurrent = sum(parameter.numel() for parameter in network.parameters())
    doubled = sum(
        (len(layer.cell.gates) - layer.cell.gates_with_two_biases) * layer.hidden_size
        for layer in network.layers
        if layer.bias is True
    )
    return {"recurrent": recurrent, "effective": recurrent - network.num_directions * doubled}


def count_state(network: StackedRNN) -> int:
    """Count the numbers carried from step to step, over layers and directions; an LSTM has h and c."""
    return network.num_directions * sum(sum(layer.state_sizes) for layer in network.layers)


def count_multiply_adds(network: StackedRNN) -> int:
    """Count the multiply-adds of one step of one sequence, over layers and directions.

    This includes products of weights with inputs and states, peepholes and projections, but not elementwise operations
    after the products (biases, gates, normalisation).
    """
    return sum(
        layer.cell.multiply_adds(parameters)
        for k, layer in enumerate(network.layers)
        for parameters in network.parameters_of(k)
    )


def nearest_width(size: Callable[[int], int], wanted: int) -> tuple[int, int]:
    """Find the width whose size is closest to a given one.

    >>> nearest_width(lambda width: width * width, 17), nearest_width(lambda width: width * width, 21)
    ((4, 5), (5, 4))

    Args:
        size: maps a width to its size, increasing.
        wanted: the size, at least 1.

    Returns:
        The closest width, the narrower of two equally close ones, and the closest on the other side of ``wanted``
        (itself if it is exact or 1).

    Raises:
        ValueError: no width is large enough.
    """
    low, high = 0, 1
    while size(high) < wanted:
        if high >= WIDEST:
            raise ValueError(f"even a width of {high} has {size(high)}")
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) < wanted else (low, middle)
    if low == 0 or size(high) == wanted:
        return high, high
    return (low, high) if wanted - size(low) <= size(high) - wanted else (high, low)
