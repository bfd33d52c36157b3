"""The surroundings of a call: transformations, which trace into operators, and graph captures."""

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
    """Return what is differentiating or vectorising operators one by one, and so must trace into them; else None."""
    if torch._C._are_functorch_transforms_active():
        return "the transformations of torch.func"
    if forward_ad._current_level < 0:
        return None
    nested = torch._C._vmapmode_increment_nesting() > 1
    torch._C._vmapmode_decrement_nesting()
    return VECTORISED if nested else "forward-mode differentiation"


def capturing() -> bool:
    """Return whether the call is being captured (torch.compile, export, jit.trace, make_fx) for later use.

    Then nothing may depend on the values of tensors or on whether gradients are needed: both may differ later.
    """
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or get_proxy_mode() is not None


def asserted(tensor: Tensor, holds: Tensor, sentence: str) -> Tensor:
    """Return a tensor without gradient after a check that a captured graph repeats whenever it runs; ONNX has none.

    The result must be used: torch.jit drops a check whose result is unused.
    """
    if torch.onnx.is_in_onnx_export():
        return tensor
    if torch.jit.is_tracing():
        return torch.ops.aten._functional_assert_async.msg(holds, sentence, tensor)
    torch.ops.aten._assert_async.msg(holds, sentence)  # inductor fails on the other
    return tensor


def as_leaf(network: nn.Module, *arguments: Any) -> Proxy:
    """Record the call of a network as one node of a torch.fx graph, like PyTorch's own recurrent networks.

    Raises:
        ValueError: no module around the network owns the graph.
    """
    tracer: Any = next(a for a in arguments if isinstance(a, Proxy)).tracer
    if getattr(tracer, "root", None) is network:
        raise ValueError(
            "torch.fx.symbolic_trace keeps a recurrent network as one node: trace the module that calls it instead"
        )
    return tracer.create_proxy("call_module", tracer.path_of_module(network), arguments, {})
