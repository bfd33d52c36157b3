"""What people's tools do with a network, one function each, as in `transformations.py`: values and gradients."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import (
    clip_grad_norm_,
    parameters_to_vector,
    parametrizations,
    parametrize,
    prune,
    vector_to_parameters,
)
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from tests.recurrent.transformations import Halved, Model, Results, backward, inputs, loss_of, plain

NAME = "weight_hh_l0"


def named(model: nn.Module) -> dict[str, nn.Parameter]:
    return dict(model.named_parameters())


def steps(model: Model, optimizer: torch.optim.Optimizer, count: int = 3) -> Results:
    """The parameters after some steps of training, and the last gradients."""
    for _ in range(count):
        optimizer.zero_grad()
        loss = loss_of(model(inputs()))
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    return [loss.detach(), *(p.detach().clone() for p in model.parameters())], {
        n: p.grad for n, p in named(model).items() if p.grad is not None
    }


# ------------------------------------------------------------------------------------------- weights that are computed


def halved(model: Model) -> Results:
    parametrize.register_parametrization(model.recurrent, NAME, Halved())
    return plain(model)


def halved_biases(model: Model) -> Results:
    parametrize.register_parametrization(model.recurrent, "bias_ih_l0", Halved())
    parametrize.register_parametrization(model.recurrent, "weight_ih_l0", Halved())
    return plain(model)


def cached(model: Model) -> Results:
    parametrize.register_parametrization(model.recurrent, NAME, Halved())
    with parametrize.cached():
        return plain(model)


def parametrization_removed(model: Model) -> Results:
    parametrize.register_parametrization(model.recurrent, NAME, Halved())
    plain(model)
    parametrize.remove_parametrizations(model.recurrent, NAME)
    assert isinstance(getattr(model.recurrent, NAME), nn.Parameter)
    return plain(model)


def parametrized_copy(model: Model) -> Results:
    parametrize.register_parametrization(model.recurrent, NAME, Halved())
    theirs = copy.deepcopy(model)
    theirs.to(torch.float32).to(torch.float64)
    return plain(theirs)


def weight_norm(model: Model) -> Results:
    parametrizations.weight_norm(model.recurrent, NAME)
    return plain(model)


def orthogonal(model: Model) -> Results:
    parametrizations.orthogonal(model.recurrent, NAME)
    return plain(model)


def spectral_norm(model: Model) -> Results:
    """In evaluation, where it does not step its power iteration: see `test_a_parametrization_is_asked_once`."""
    parametrizations.spectral_norm(model.recurrent, NAME)
    return plain(model.eval())


def weight_norm_by_hook(model: Model) -> Results:
    torch.nn.utils.weight_norm(model.recurrent, NAME)
    return plain(model)


def dropped_weights(model: Model) -> Results:
    """As AWD-LSTM's code does it: the parameter moves to another name, its place takes what is computed of it."""
    weight = getattr(model.recurrent, NAME)
    delattr(model.recurrent, NAME)
    model.recurrent.register_parameter(f"{NAME}_raw", nn.Parameter(weight.detach().clone()))
    model.recurrent.flatten_parameters = lambda: None  # type: ignore[assignment,method-assign]
    setattr(model.recurrent, NAME, 0.5 * getattr(model.recurrent, f"{NAME}_raw"))
    return plain(model)


def pruned(amount: float, removed: bool = False) -> Callable[[Model], Results]:
    def run(model: Model) -> Results:
        prune.l1_unstructured(model.recurrent, NAME, amount)
        if removed:
            prune.remove(model.recurrent, NAME)
        return plain(model)

    return run


def pruned_globally(model: Model) -> Results:
    where = [(model.recurrent, NAME), (model.recurrent, "weight_ih_l0"), (model.head, "weight")]
    prune.global_unstructured(where, prune.L1Unstructured, amount=0.3)
    return plain(model)


# ------------------------------------------------------------------------------------------------ parameters exchanged


def replaced(model: Model) -> Results:
    setattr(model.recurrent, NAME, nn.Parameter(0.5 * getattr(model.recurrent, NAME).detach()))
    return plain(model)


def tied(model: Model) -> Results:
    """One parameter under two names."""
    model.recurrent.bias_hh_l0 = model.recurrent.bias_ih_l0
    return plain(model)


def from_vector(model: Model) -> Results:
    vector_to_parameters(0.9 * parameters_to_vector(model.parameters()), model.parameters())
    return plain(model)


def state_dict_assigned(model: Model) -> Results:
    halves = {name: 0.5 * value for name, value in model.state_dict().items()}
    assert not any(model.load_state_dict(halves, strict=True, assign=True))
    return plain(model.requires_grad_(True))


def swapped(model: Model) -> Results:
    """Conversion by swapping tensors in place of their data."""
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        model.to(torch.float32).to(torch.float64)
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)
    return plain(model)


def converted(model: Model) -> Results:
    return plain(model.float().double())


def from_meta(model: Model) -> Results:
    values = copy.deepcopy(model.state_dict())
    empty = copy.deepcopy(model).to("meta").to_empty(device="cpu")
    empty.load_state_dict(values)
    return plain(empty)


def functionally_tied(model: Model) -> Results:
    given = {name: (0.5 * p.detach()).requires_grad_() for name, p in named(model).items()}
    loss_of(functional_call(model, given, (inputs(),), strict=True)).backward()
    return [], {name: p.grad for name, p in given.items() if p.grad is not None}


def saved_whole(model: Model) -> Results:
    held = io.BytesIO()
    torch.save(model, held)
    held.seek(0)
    theirs = torch.load(held, weights_only=False)
    return plain(pickle.loads(pickle.dumps(theirs)))


# ------------------------------------------------------------------------------------------------------------ training


def optimizer(kind: Any, **options: Any) -> Callable[[Model], Results]:
    return lambda model: steps(model, kind(model.parameters(), lr=0.01, **options))


def optimizer_in_backward(model: Model) -> Results:
    for p in model.parameters():
        one = torch.optim.SGD([p], lr=0.01)
        p.register_post_accumulate_grad_hook(lambda _, one=one: one.step())
    loss_of(model(inputs())).backward()
    return [p.detach().clone() for p in model.parameters()], {}


def averaged(**options: Any) -> Callable[[Model], Results]:
    def run(model: Model) -> Results:
        mean = AveragedModel(model, **options)
        sgd = torch.optim.SGD(model.parameters(), lr=0.01)
        for _ in range(3):
            steps(model, sgd, 1)
            mean.update_parameters(model)
        values, gradients = backward(mean, mean(inputs()))
        return values, {n.removeprefix("module."): g for n, g in gradients.items() if n != "n_averaged"}

    return run


def frozen_in_part(model: Model) -> Results:
    getattr(model.recurrent, NAME).requires_grad_(False)
    model.recurrent.bias_ih_l0.requires_grad_(False)
    values, gradients = plain(model)
    return values, {n: g for n, g in gradients.items() if named(model)[n].requires_grad}


def hooked(model: Model) -> Results:
    seen: list[Tensor] = []
    module = model.recurrent
    module.register_forward_pre_hook(lambda _, given: (2 * given[0], *given[1:]))
    module.register_forward_hook(lambda _, given, result: (0.5 * result[0], result[1]))
    module.register_full_backward_pre_hook(lambda _, given: seen.append(given[0]))
    module.register_full_backward_hook(lambda _, given, came: seen.extend(g for g in given if g is not None))
    values, gradients = backward(model, model(inputs().requires_grad_()))
    return values + seen, gradients


def hooked_tensors(model: Model) -> Results:
    seen: list[Tensor] = []
    getattr(model.recurrent, NAME).register_hook(lambda g: seen.append(g) or 2 * g)
    output, _ = model.recurrent(inputs())
    output.retain_grad()
    output.register_hook(lambda g: 3 * g)
    values, gradients = backward(model, model.head(output))
    assert output.grad is not None
    return [*values, *seen, output.grad], gradients


def saved_on_cpu(model: Model) -> Results:
    with torch.autograd.graph.save_on_cpu():
        output = model(inputs())
    return backward(model, output)


def twice(model: Model) -> Results:
    """One network in two places of a graph, its graph kept."""
    output = model(inputs()) + model(0.5 * inputs())
    (first,) = torch.autograd.grad(loss_of(output), getattr(model.recurrent, NAME), retain_graph=True)
    values, gradients = backward(model, output)
    return [*values, first], gradients


def in_parts(model: Model) -> Results:
    """Truncated in time by nobody: the state goes on from one part to the next."""
    first, state = model.recurrent(inputs()[:, :2])
    second, _ = model.recurrent(inputs()[:, 2:], state)
    return backward(model, model.head(torch.cat([first, second], 1)))


def strided(model: Model) -> Results:
    x = inputs().transpose(0, 2).contiguous().transpose(0, 2)
    wide = torch.cat([x, x], -1)[..., ::2]
    return backward(model, model(x) + model(wide))


def expanded(model: Model) -> Results:
    return backward(model, model(inputs()[:1].expand(3, -1, -1)))


def packed(model: Model) -> Results:
    pack, pad = nn.utils.rnn.pack_padded_sequence, nn.utils.rnn.pad_packed_sequence
    result, state = model.recurrent(pack(inputs(), torch.tensor([2, 5]), batch_first=True, enforce_sorted=False))
    last = state[0] if isinstance(state, tuple) else state
    values, gradients = backward(model, model.head(pad(result, True)[0]))
    return [*values, last.detach()], gradients


def inference(model: Model) -> Results:
    with torch.inference_mode():
        return [model(inputs()).clone()], {}


# ---------------------------------------------------------------------------------------------------- changed in place


def changed(*which: str) -> Callable[[Model], Results]:
    """Output or state are changed between the call and backward."""

    def run(model: Model) -> Results:
        output, state = model.recurrent(inputs())
        tensors = {"output": output, "state": state[0] if isinstance(state, tuple) else state}
        tensors |= {"cell": state[1]} if isinstance(state, tuple) else {}
        for name in which:
            if name in tensors:
                tensors[name].mul_(2)
                tensors[name][0] = 0
                tensors[name].transpose(0, 1).tanh_()
        return backward(model, torch.cat([t.flatten() for t in [model.head(output), *tensors.values()]]))

    return run


def changed_unseen(edit: Callable[[Tensor], object]) -> Callable[[Model], Results]:
    """The output is changed where no version counter sees it."""

    def run(model: Model) -> Results:
        output, _ = model.recurrent(inputs())
        loss = torch.cat([(1.5 * output).flatten(), model.head(output.clone()).flatten()])  # neither keeps the output
        edit(output)
        return backward(model, loss)

    return run


TOOLS: dict[str, Callable[[Model], Results]] = {
    f.__name__: f
    for f in (
        halved, halved_biases, cached, parametrization_removed, parametrized_copy, weight_norm, orthogonal,
        spectral_norm, weight_norm_by_hook, dropped_weights, pruned_globally, replaced, tied, from_vector,
        state_dict_assigned, swapped, converted, from_meta, functionally_tied, saved_whole, optimizer_in_backward,
        frozen_in_part, hooked, hooked_tensors, saved_on_cpu, twice, in_parts, strided, expanded, packed, inference,
    )
} | {
    "pruned": pruned(0.5),
    "pruned for good": pruned(0.5, removed=True),
    "Adam, foreach": optimizer(torch.optim.Adam, foreach=True),
    "AdamW, fused": optimizer(torch.optim.AdamW, fused=True),
    "SGD, foreach": optimizer(torch.optim.SGD, foreach=True, momentum=0.9),
    "SWA": averaged(),
    "EMA": averaged(multi_avg_fn=get_ema_multi_avg_fn(0.9)),
    "output changed": changed("output"),
    "state changed": changed("state"),
    "cell changed": changed("cell"),
    "output changed through NumPy": changed_unseen(lambda output: output.detach().numpy().fill(3)),
    "data of the output changed": changed_unseen(lambda output: output.data.mul_(2)),
    "all changed": changed("output", "state", "cell"),
}  # fmt: skip
