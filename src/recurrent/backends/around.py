"""What surrounds a call: PyTorch's transformations, which see into operators, and its captures, which keep them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.fx import Proxy
from torch.fx.experimental.proxy_tensor import get_proxy_mode

VECTORISED = "vectorised forward-mode differentiation"
"""What `torch.autograd.functional.jacobian` calls strategy="forward-mode"."""


def transformation() -> str | None:
    """What now differentiates or vectorises operators one by one, and so must see into them; None in a plain call."""
    if torch._C._are_functorch_transforms_active():
        return "the transformations of torch.func"
    if forward_ad._current_level < 0:
        return None
    nested = torch._C._vmapmode_increment_nesting() > 1
    torch._C._vmapmode_decrement_nesting()
    return VECTORISED if nested else "forward-mode differentiation"


def capturing() -> bool:
    """Whether the call is being written down (torch.compile, export, jit.trace, make_fx), to be run later on others.

    Then nothing may hang on what a tensor holds or on whether a gradient is wanted: both may be different later.
    """
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or get_proxy_mode() is not None


def asserted(tensor: Tensor, holds: Tensor, sentence: str) -> Tensor:
    """A tensor without gradient, past a check that a captured graph makes whenever it runs; ONNX has none.

    What comes out must be used: torch.jit drops a check whose result nothing reads.
    """
    if torch.onnx.is_in_onnx_export():
        return tensor
    if torch.jit.is_tracing():
        return torch.ops.aten._functional_assert_async.msg(holds, sentence, tensor)
    torch.ops.aten._assert_async.msg(holds, sentence)  # inductor fails on the other
    return tensor


def as_leaf(network: nn.Module, *arguments: Any) -> Proxy:
    """The call of a network in a graph of torch.fx, as one node: so PyTorch's own recurrent networks appear there.

    Raises:
        ValueError: there is no module around the network whose graph it could be a node of.
    """
    tracer: Any = next(a for a in arguments if isinstance(a, Proxy)).tracer
    if getattr(tracer, "root", None) is network:
        raise ValueError(
            "torch.fx.symbolic_trace keeps a recurrent network as one node: trace the module that calls it, not itself"
        )
    return tracer.create_proxy("call_module", tracer.path_of_module(network), arguments, {})
