"""Going on with the carried state is the same as reading everything again at every step."""

from functools import partial
from typing import Any

import pytest
import torch

from src.config.errors import UserError
from src.generating.continuing import SamplingParams, draw_next, generate, sampling_params
from src.recurrent import GRU, LSTM, StackedRNN
from tests.exporting.tasks import make

NETWORKS = {
    "gru": partial(GRU, hidden_size=6, num_layers=2, batch_first=True),
    "lstm": partial(LSTM, hidden_size=5, learn_initial_state=True, batch_first=True),
    "mixed": partial(
        StackedRNN, layers=[{"kind": "lstm", "hidden_size": 4}, {"kind": "gru", "hidden_size": 5}], batch_first=True
    ),
}


def primer(name: str) -> Any:
    generator = torch.Generator().manual_seed(1)
    if name == "text":
        return torch.randint(3, (2, 5), generator=generator)
    return (torch.rand(2, 5, 4, generator=generator) < 0.5).float()


def by_reading_again(task: Any, x: Any, steps: int, sampling: SamplingParams, generator: torch.Generator) -> Any:
    drawn = []
    for _ in range(steps):
        with torch.no_grad():
            output, _ = task.network(task.encoder(x))
        new, following = draw_next(task, output[:, -1:], x[:, -1:], sampling, generator)
        drawn.append(new)
        x = torch.cat([x, following], dim=1)
    return torch.cat(drawn, dim=1)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", ["music", "text", "waveform"])
def test_the_carried_state_says_what_reading_again_says(name, network):
    task, sampling = make(name, NETWORKS[network]), SamplingParams(0.9)
    seeds = [torch.Generator().manual_seed(7) for _ in range(2)]
    found = generate(task, primer(name), 12, sampling, seeds[0])
    expected = by_reading_again(task, primer(name), 12, sampling, seeds[1])
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_a_state_that_is_lost_is_seen(monkeypatch):
    task = make("waveform", NETWORKS["gru"])
    forward = task.network.forward
    seeds = [torch.Generator().manual_seed(7) for _ in range(2)]
    expected = by_reading_again(task, primer("waveform"), 12, SamplingParams(), seeds[0])
    monkeypatch.setattr(task.network, "forward", lambda x, state=None: forward(x))
    found = generate(task, primer("waveform"), 12, SamplingParams(), seeds[1])
    assert (found - expected).abs().max() > 1e-2


def test_nothing_is_read_twice():
    task, read = make("music"), []
    task.network.register_forward_pre_hook(lambda _, args: read.append(args[0].shape[1]))
    generate(task, primer("music"), 6, SamplingParams(), torch.Generator())
    assert read == [5, 1, 1, 1, 1, 1]


def test_the_waveforms_next_step_reads_the_samples_that_were_drawn():
    task = make("waveform")
    x = torch.arange(4.0).view(1, 1, 4)
    new, following = draw_next(task, torch.zeros(1, 1, 5), x, SamplingParams(), torch.Generator())
    assert new.shape == (1, 1, 2)
    assert torch.equal(following, torch.cat([x[..., 2:], new], dim=-1))


def test_a_banned_token_is_never_drawn():
    task = make("text")
    with torch.no_grad():
        task.head.bias[0] = 20.0
    drawn = generate(task, primer("text"), 30, SamplingParams(banned=(0,)), torch.Generator().manual_seed(0))
    assert 0 not in drawn
    assert 0 in generate(task, primer("text"), 30, SamplingParams(), torch.Generator().manual_seed(0))


def test_tasks_that_do_not_predict_what_they_read_are_refused():
    for name in ("last", "per step", "forecast", "recursive forecast"):
        with pytest.raises(UserError, match="cannot generate, because it does not predict its own next"):
            sampling_params(make(name), 1.0, 1.0)
    with pytest.raises(UserError, match=r"top_p=0\.9 needs a run on text"):
        sampling_params(make("music"), 1.0, 0.9)
