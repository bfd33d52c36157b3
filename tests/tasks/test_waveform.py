"""The mixture density against torch.distributions and a closed form; the task around it."""

import math
from functools import partial

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from src.config.errors import UserError
from src.data.batches import Batch
from src.data.describe import Classes, Description, Features, Values
from src.recurrent import GRU
from src.tasks.auto import called_for
from src.tasks.waveform import Waveform, mixture_log_density

SOUND = Description(Features(6), Values(3), per_step=True, varying_length=True, causal=True)


def make(description=SOUND, **options):
    torch.manual_seed(0)
    network = partial(GRU, hidden_size=5, batch_first=True)
    optimizer = partial(torch.optim.Adam, lr=0.01)
    return Waveform(description=description, network=network, optimizer=optimizer, monitor="val/nll", **options)


def batch(seed=1):
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.randn(2, 7, 6, generator=generator), torch.randn(2, 7, 3, generator=generator)
    return Batch(x, y, torch.tensor([7, 4]), torch.arange(2))


def random_mixture(*shape, mixtures=4, samples=3):
    generator = torch.Generator().manual_seed(0)
    draw = partial(torch.randn, generator=generator, dtype=torch.float64)
    return (
        draw(*shape, samples),
        draw(*shape, mixtures),
        draw(*shape, mixtures, samples),
        draw(*shape, mixtures, samples),
    )


def test_the_density_is_that_of_torch_distributions():
    y, logits, mean, log_scale = random_mixture(5, 6)
    expected = MixtureSameFamily(Categorical(logits=logits), Independent(Normal(mean, log_scale.exp()), 1)).log_prob(y)
    torch.testing.assert_close(mixture_log_density(y, logits, mean, log_scale), expected, rtol=1e-12, atol=1e-12)


def test_equal_components_are_one_gaussian():
    y, logits, mean, log_scale = random_mixture(5, mixtures=1)
    four = (t.expand(5, 4, *t.shape[2:]) for t in (logits, mean, log_scale))
    expected = -(0.5 * ((y - mean[:, 0]) / log_scale[:, 0].exp()) ** 2 + log_scale[:, 0] + 0.5 * math.log(2 * math.pi))
    torch.testing.assert_close(mixture_log_density(y, *four), expected.sum(-1), rtol=1e-12, atol=1e-12)


def test_far_away_values_and_far_apart_weights_stay_finite():
    y = torch.tensor([[1e4, -1e4]])
    logits, mean = torch.tensor([[0.0, -500.0]]), torch.zeros(1, 2, 2)
    log_scale = torch.full((1, 2, 2), -7.0, requires_grad=True)
    density = mixture_log_density(y, logits, mean, log_scale)
    density.sum().backward()
    assert density.isfinite().all()
    assert log_scale.grad.isfinite().all()


def test_the_loss_is_the_density_of_each_step_that_exists():
    task = make(mixtures=4).eval()
    b = batch()
    losses = task.losses(b)
    logits, mean, log_scale = task(b)
    assert (logits.shape, mean.shape, log_scale.shape) == ((2, 7, 4), (2, 7, 4, 3), (2, 7, 4, 3))
    for row, length in enumerate(b.lengths.tolist()):
        total = 0.0
        for t in range(length):
            weights = Categorical(logits=logits[row, t])
            components = Independent(Normal(mean[row, t], log_scale[row, t].exp()), 1)
            total -= MixtureSameFamily(weights, components).log_prob(b.y[row, t]).item()
        assert losses.loss[row].item() == pytest.approx(total, rel=1e-5)
    assert losses.count.tolist() == [7, 4]
    task.sums["val"].add(losses)
    task.sums["val"].gather()
    mean_per_step = losses.loss.sum().item() / 11
    assert task.sums["val"].mean == pytest.approx(mean_per_step)
    assert task.summary(task.sums["val"]) == {"nll_per_sample": pytest.approx(mean_per_step / 3)}


def test_standard_deviations_have_a_lower_bound():
    task = make(mixtures=2, min_log_scale=-3.0)
    with torch.no_grad():
        task.head.bias[:] = -1000.0
    assert task(batch())[2].min().item() == pytest.approx(-3.0, abs=1e-6)
    with torch.no_grad():
        task.head.weight[:] = 0.0
        task.head.bias[:] = 5.0
    assert task(batch())[2].max().item() == pytest.approx(5.0, abs=1e-3)


def test_it_learns_a_constant():
    task = make(mixtures=3).train()
    b = batch()
    y = torch.tensor([0.5, -1.0, 2.0]).expand(2, 7, 3)
    b = Batch(b.x, y, b.lengths, b.rows)
    optimizer = torch.optim.Adam(task.parameters(), lr=0.05)
    first = task.reduce(task.losses(b)).item()
    for _ in range(150):
        optimizer.zero_grad()
        loss = task.reduce(task.losses(b))
        loss.backward()
        optimizer.step()
    assert first > 3
    assert loss.item() < -5  # three samples within 1 %: about 3 ln(0.01) + 4


@pytest.mark.parametrize(
    "description",
    [
        Description(Features(6), Classes(("a", "b")), per_step=True, varying_length=True, causal=True),
        Description(Features(6), Values(3), per_step=False, varying_length=True, causal=True),
    ],
)
def test_other_data_are_refused(description):
    with pytest.raises(UserError, match="needs raw sound, such as"):
        make(description)


def test_task_auto_finds_it():
    assert called_for(SOUND) == "Waveform"
