"""What PyTorch can do with a network, one function each: it returns values, and gradients by the parameters' names."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.autograd.functional import hessian, hvp, jacobian
from torch.func import functional_call, stack_module_state, vmap
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.utils import parametrize
from torch.utils.checkpoint import checkpoint

Gradients = dict[str, Tensor]
Results = tuple[list[Tensor], Gradients]
FEATURES, WIDTH, STEPS, ROWS = 3, 4, 5, 2


class Model(nn.Module):
    """A network and a head that is trained with it."""

    def __init__(self, recurrent: nn.Module, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        width = getattr(recurrent, "proj_size", 0) or WIDTH
        self.recurrent, self.head = recurrent, nn.Linear(width, 2, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        output, _ = self.recurrent(x)
        return self.head(output)


class Padded(Model):
    """One that is told lengths; PyTorch's network gets them as a packed batch, which is not captured."""

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        if not isinstance(self.recurrent, nn.RNNBase):
            return self.head(self.recurrent(x, None, lengths)[0])
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        output, _ = nn.utils.rnn.pad_packed_sequence(self.recurrent(packed)[0], True, total_length=x.shape[1])
        return self.head(output)


def padded_of(model: Model) -> Padded:
    """The model, told lengths: the same modules."""
    padded = Padded(model.recurrent).train(model.training)
    padded.head = model.head
    return padded


INPUTS = torch.randn(
    ROWS, STEPS, FEATURES, generator=torch.Generator().manual_seed(3), dtype=torch.float64
)  # drawn here, not where vmap would refuse it


def inputs() -> Tensor:
    return INPUTS.clone()


def loss_of(output: Tensor) -> Tensor:
    return output.square().sum()


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach() for name, p in model.named_parameters()}


def backward(model: nn.Module, output: Tensor) -> Results:
    """Of a call, its values and gradients."""
    model.zero_grad()
    loss_of(output).backward()
    return [output.detach()], {
        n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in model.named_parameters()
    }


def as_function(model: nn.Module) -> Callable[[dict[str, Tensor], Tensor], Tensor]:
    return lambda parameters, x: functional_call(model, parameters, (x,))


# ---------------------------------------------------------------------------------------------------- differentiation


def plain(model: Model) -> Results:
    return backward(model, model(inputs()))


def func_grad(model: Model) -> Results:
    call = as_function(model)
    gradients, value = torch.func.grad_and_value(lambda p: loss_of(call(p, inputs())))(weights(model))
    return [value], gradients


def func_vjp(model: Model) -> Results:
    call = as_function(model)
    output, pull = torch.func.vjp(lambda p: call(p, inputs()), weights(model))
    return [output], pull(2 * output)[0]


def func_jvp(model: Model) -> Results:
    call, tangents = as_function(model), {n: torch.ones_like(w) for n, w in weights(model).items()}
    return list(torch.func.jvp(lambda p: call(p, inputs()), (weights(model),), (tangents,))), {}


def func_jacrev(model: Model) -> Results:
    call = as_function(model)
    jacobians = torch.func.jacrev(lambda p: call(p, inputs()))(weights(model))
    return [], {name: j.sum((0, 1, 2)) for name, j in jacobians.items()}


def func_jacfwd(model: Model) -> Results:
    call = as_function(model)
    jacobians = torch.func.jacfwd(lambda p: call(p, inputs()))(weights(model))
    return [], {name: j.sum((0, 1, 2)) for name, j in jacobians.items()}


def func_hessian(model: Model) -> Results:
    call, names = as_function(model), weights(model)
    chosen = {n: w for n, w in names.items() if "hh" in n and w.dim() == 1} or {"head.bias": names["head.bias"]}
    matrix = torch.func.hessian(lambda p: loss_of(call({**names, **p}, inputs())))(chosen)
    return [block for row in matrix.values() for block in row.values()], {}


def jacobian_vectorized(model: Model) -> Results:
    call, given = as_function(model), weights(model)
    found = jacobian(
        lambda *p: call(dict(zip(given, p, strict=True)), inputs()).sum(1), tuple(given.values()), vectorize=True
    )
    return [], {name: j.sum((0, 1)) for name, j in zip(given, found, strict=True)}


def jacobian_forward_mode(model: Model) -> Results:
    call, given = as_function(model), weights(model)
    found = jacobian(
        lambda *p: call(dict(zip(given, p, strict=True)), inputs()).sum(1), tuple(given.values()),
        vectorize=True, strategy="forward-mode",
    )  # fmt: skip
    return [], {name: j.sum((0, 1)) for name, j in zip(given, found, strict=True)}


def grads_batched(model: Model) -> Results:
    output = model(inputs())
    seeds = torch.randn(3, *output.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    found = torch.autograd.grad(output, list(model.parameters()), seeds, is_grads_batched=True)
    return list(found), {name: g[0] for (name, _), g in zip(model.named_parameters(), found, strict=True)}


def vmap_over_backward(model: Model) -> Results:
    output = model(inputs())
    seeds = torch.randn(3, *output.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    given = list(model.parameters())
    found = vmap(lambda seed: torch.autograd.grad(output, given, seed, retain_graph=True))(seeds)
    return list(found), {name: g[0] for (name, _), g in zip(model.named_parameters(), found, strict=True)}


def forward_mode(model: Model) -> Results:
    with forward_ad.dual_level():
        call = as_function(model)
        duals = {n: forward_ad.make_dual(w, torch.ones_like(w)) for n, w in weights(model).items()}
        output, tangent = forward_ad.unpack_dual(call(duals, inputs()))
        assert tangent is not None
        return [output, tangent], {}


def gradient_penalty(model: Model) -> Results:
    x = inputs().requires_grad_()
    (slope,) = torch.autograd.grad(loss_of(model(x)), x, create_graph=True)
    values, gradients = backward(model, slope)
    del gradients["head.bias"]  # adds nothing to some slopes
    return values, gradients


def maml(model: Model) -> Results:
    call, given = as_function(model), dict(model.named_parameters())
    slopes = torch.autograd.grad(loss_of(call(given, inputs())), list(given.values()), create_graph=True)
    inner = {n: w - 0.01 * s for (n, w), s in zip(given.items(), slopes, strict=True)}
    return backward(model, call(inner, inputs()))


def third_derivative(model: Model) -> Results:
    x = inputs().requires_grad_()
    (first,) = torch.autograd.grad(loss_of(model(x)), x, create_graph=True)
    (second,) = torch.autograd.grad(loss_of(first), x, create_graph=True)
    values, gradients = backward(model, second)
    del gradients["head.bias"]
    return values, gradients


def functional_hessian(model: Model) -> Results:
    x = inputs()
    return [hessian(lambda x: loss_of(model(x)), x, vectorize=flag) for flag in (False, True)], {}


def functional_hvp(model: Model) -> Results:
    return list(hvp(lambda x: loss_of(model(x)), inputs(), torch.ones_like(inputs()))), {}


# ------------------------------------------------------------------------------------------------------ vectorisation


def ensemble(model: Model) -> Results:
    other = copy.deepcopy(model)
    with torch.no_grad():
        for p in other.parameters():
            p.mul_(0.9)
    stacked, buffers = stack_module_state([model, other])  # type: ignore[list-item]
    output = vmap(lambda p, b: functional_call(model, (p, b), (inputs(),)))(stacked, buffers)
    loss_of(output).backward()
    return [output.detach()], {n: p.grad for n, p in stacked.items() if p.grad is not None}


def ensemble_by_input(model: Model) -> Results:
    """One network over a dimension that it does not know; its own parameters are trained."""
    x = torch.stack([inputs(), 0.5 * inputs()])
    return backward(model, vmap(model)(x))


def frozen_vmapped_input(model: Model) -> Results:
    model.requires_grad_(False)
    x = torch.stack([inputs(), 0.5 * inputs()]).requires_grad_()
    loss_of(vmap(model)(x)).backward()
    model.requires_grad_(True)
    return [], {"x": x.grad}  # type: ignore[dict-item]


def frozen_vmapped_state(model: Model) -> Results:
    model.requires_grad_(False)
    generator = torch.Generator().manual_seed(4)
    h = torch.randn(3, 1, ROWS, WIDTH, generator=generator, dtype=torch.float64).requires_grad_()
    last = model.recurrent(inputs())[1]
    narrow = last[0].shape[-1] if isinstance(last, tuple) else WIDTH  # of a projected LSTM
    output = vmap(lambda h: model.recurrent(inputs(), (h[..., :narrow], h) if isinstance(last, tuple) else h)[0])(h)
    loss_of(output).backward()
    model.requires_grad_(True)
    return [output.detach()], {"h": h.grad}  # type: ignore[dict-item]


def per_sample_gradients(model: Model) -> Results:
    call = as_function(model)
    one = torch.func.grad(lambda p, x: loss_of(call(p, x[None])))
    return [], vmap(one, in_dims=(None, 0))(weights(model), inputs())


# ------------------------------------------------------------------------------------------------ memory and wrappers


def checkpoint_reentrant(model: Model) -> Results:
    return backward(model, checkpoint(model, inputs().requires_grad_(), use_reentrant=True))


def checkpoint_saved(model: Model) -> Results:
    return backward(model, checkpoint(model, inputs(), use_reentrant=False))


def saved_tensors_hooks(model: Model) -> Results:
    pack, unpack = (lambda t: t.detach().numpy().copy()), torch.from_numpy
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        output = model(inputs())
    return backward(model, output)


def anomaly(model: Model) -> Results:
    with torch.autograd.detect_anomaly(check_nan=True):
        return backward(model, model(inputs()))


def called_by_function(model: Model) -> Results:
    given = {name: (0.5 * w).requires_grad_() for name, w in weights(model).items()}
    loss_of(functional_call(model, given, (inputs(),))).backward()
    return [], {name: w.grad for name, w in given.items() if w.grad is not None}


def deep_copy(model: Model) -> Results:
    theirs = copy.deepcopy(model)
    assert all(p is not q for p, q in zip(model.parameters(), theirs.parameters(), strict=True))
    return backward(theirs, theirs(inputs()))


def pickled(model: Model) -> Results:
    theirs = pickle.loads(pickle.dumps(model))
    held = io.BytesIO()
    torch.save(model.state_dict(), held)
    held.seek(0)
    theirs.load_state_dict(torch.load(held, weights_only=True))
    return backward(theirs, theirs(inputs()))


def data_parallel(model: Model) -> Results:
    wrapped = nn.DataParallel(model)
    return backward(model, wrapped(inputs()))


def replicated(model: Model) -> Results:
    """As `nn.parallel.replicate` does it: a copy without parameters, whose tensors are functions of the original's."""
    replica = copy.copy(model)
    replica._modules = dict(model._modules)
    for name, module in model.named_children():
        copied = module._replicate_for_data_parallel()
        for key, parameter in module._parameters.items():
            setattr(copied, key, None if parameter is None else parameter.clone())
        if isinstance(module, nn.RNNBase):
            copied._flat_weights = [getattr(copied, key) for key in copied._flat_weights_names]
        replica._modules[name] = copied
    return backward(model, replica(inputs()))


def shared_memory(model: Model) -> Results:
    model.share_memory()
    assert all(p.is_shared() for p in model.parameters())
    return backward(model, model(inputs()))


class Halved(nn.Module):
    def forward(self, tensor: Tensor) -> Tensor:
        return tensor / 2


def parametrized(model: Model) -> Results:
    """PyTorch's network reads the tensors that it had before, so it is held against the halved weights."""
    if isinstance(model.recurrent, nn.RNNBase):
        with torch.no_grad():
            model.recurrent.weight_hh_l0.div_(2)
        values, gradients = plain(model)
        return values, {n: g / 2 if n == "recurrent.weight_hh_l0" else g for n, g in gradients.items()}
    parametrize.register_parametrization(model.recurrent, "weight_hh_l0", Halved())
    values, gradients = plain(model)
    return values, {
        n.replace("parametrizations.weight_hh_l0.original", "weight_hh_l0"): g for n, g in gradients.items()
    }


# ------------------------------------------------------------------------------------------------------------ capture


def exported(strict: bool, grad: bool) -> Callable[[Model], Results]:
    def run(model: Model) -> Results:
        with torch.set_grad_enabled(grad):
            program = torch.export.export(model, (inputs(),), strict=strict).module()
        return backward(program, program(inputs()))

    return run


def exported_with_lengths(strict: bool) -> Callable[[Model], Results]:
    """Captured at whole rows and run on short ones."""

    def run(model: Model) -> Results:
        padded = padded_of(model)
        short = torch.tensor([2, STEPS])
        if isinstance(model.recurrent, nn.RNNBase):
            return backward(padded, padded(inputs(), short))
        program = torch.export.export(padded, (inputs(), torch.full((ROWS,), STEPS)), strict=strict).module()
        return backward(program, program(inputs(), short))

    return run


def compiled(fullgraph: bool, lengths: bool = False, by: str = "aot_eager") -> Callable[[Model], Results]:
    def run(model: Model) -> Results:
        torch.compiler.reset()
        module: Any = model
        arguments: tuple[Tensor, ...] = (inputs(),)
        if lengths:
            module = padded_of(model)
            arguments = (inputs(), torch.tensor([2, STEPS]))
            if isinstance(model.recurrent, nn.RNNBase):
                return backward(module, module(*arguments))
        return backward(module, torch.compile(module, fullgraph=fullgraph, backend=by)(*arguments))

    return run


def traced(model: Model) -> Results:
    program = torch.jit.trace(model, (inputs(),))
    return backward(program, program(inputs()))


def traced_without_grad(model: Model) -> Results:
    with torch.no_grad():
        program = torch.jit.trace(model, (inputs(),))
    return backward(program, program(inputs()))


def traced_with_lengths(model: Model) -> Results:
    padded = padded_of(model)
    short = torch.tensor([2, STEPS])
    if isinstance(model.recurrent, nn.RNNBase):
        return backward(padded, padded(inputs(), short))
    program = torch.jit.trace(padded, (inputs(), torch.full((ROWS,), STEPS)))
    return backward(program, program(inputs(), short))


def scripted(model: Model) -> Results:
    program = torch.jit.script(model)
    return backward(program, program(inputs()))


def symbolic(model: Model) -> Results:
    program = torch.fx.symbolic_trace(model)
    return backward(program, program(inputs()))


def made(mode: str, pre_dispatch: bool, grad: bool = False) -> Callable[[Model], Results]:
    """Captured with or without gradients, and trained later."""

    def run(model: Model) -> Results:
        given = {name: w.requires_grad_(grad) for name, w in weights(model).items()}
        with torch.set_grad_enabled(grad):
            graph = make_fx(as_function(model), tracing_mode=mode, pre_dispatch=pre_dispatch)(given, inputs())
        leaves = {name: w.clone().requires_grad_() for name, w in weights(model).items()}
        output = graph(leaves, inputs())
        loss_of(output).backward()
        return [output.detach()], {n: torch.zeros_like(w) if w.grad is None else w.grad for n, w in leaves.items()}

    return run


def vmap_of_exported(model: Model) -> Results:
    """A graph that is transformed after its capture."""
    program = torch.export.export(model, (inputs(),)).module()
    return backward(program, vmap(program)(torch.stack([inputs(), 0.5 * inputs()])))


def penalty_of_exported(model: Model) -> Results:
    return gradient_penalty(torch.export.export(model, (inputs(),)).module())  # type: ignore[arg-type]


DIFFERENTIATION = {
    f.__name__: f
    for f in (
        plain, func_grad, func_vjp, func_jvp, func_jacrev, func_jacfwd, func_hessian, jacobian_vectorized,
        jacobian_forward_mode, grads_batched, vmap_over_backward, forward_mode, gradient_penalty, maml,
        third_derivative, functional_hessian, functional_hvp, ensemble, ensemble_by_input, frozen_vmapped_input,
        frozen_vmapped_state,
        per_sample_gradients, checkpoint_reentrant, checkpoint_saved, saved_tensors_hooks, anomaly,
        called_by_function, deep_copy, pickled, data_parallel, replicated, shared_memory, parametrized,
    )
}  # fmt: skip


def grad_of_exported(model: Model) -> Results:
    call = as_function(torch.export.export(model, (inputs(),)).module())
    gradients, value = torch.func.grad_and_value(lambda p: loss_of(call(p, inputs())))(weights(model))
    return [value], gradients


CAPTURE = {
    "export strict": exported(True, True),
    "export": exported(False, True),
    "export under no_grad": exported(False, False),
    "export with lengths, strict": exported_with_lengths(True),
    "export with lengths": exported_with_lengths(False),
    "compile fullgraph": compiled(True),
    "compile": compiled(False),
    "compile fullgraph with lengths": compiled(True, lengths=True),
    "compile with lengths, inductor": compiled(False, lengths=True, by="inductor"),
    "jit.trace": traced,
    "jit.trace under no_grad": traced_without_grad,
    "jit.trace with lengths": traced_with_lengths,
    "jit.script": scripted,
    "fx.symbolic_trace": symbolic,
    "make_fx under no_grad": made("real", False),
    "make_fx under no_grad, fake": made("fake", False),
    "make_fx under no_grad, symbolic, pre_dispatch": made("symbolic", True),
    "make_fx": made("real", False, grad=True),
    "vmap of exported": vmap_of_exported,
    "func.grad of exported": grad_of_exported,
    "gradient penalty of exported": penalty_of_exported,
}
