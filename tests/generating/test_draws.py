"""Draws have the probabilities that they should have, and the nucleus is Holtzman et al.'s."""

import pytest
import torch

from src.generating.continuing import draw_bits, draw_samples, draw_token, nucleus

MANY = 20_000


def generator():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_bits_sound_as_often_as_their_logits_say(temperature):
    logits = torch.tensor([-2.0, 0.0, 1.5])
    drawn = draw_bits(logits.expand(MANY, 3), temperature, generator())
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(drawn.mean(0), torch.sigmoid(logits / temperature), rtol=0, atol=0.02)


@pytest.mark.parametrize(("temperature", "top_p", "expected"), [
    (1.0, 1.0, [0.1, 0.6, 0.3]),
    (0.5, 1.0, [0.01 / 0.46, 0.36 / 0.46, 0.09 / 0.46]),
    (1.0, 0.7, [0.0, 2 / 3, 1 / 3]),
    (1.0, 0.6, [0.0, 1.0, 0.0]),
    (1.0, 0.1, [0.0, 1.0, 0.0]),
])  # fmt: skip
def test_tokens_come_as_often_as_temperature_and_nucleus_say(temperature, top_p, expected):
    logits = torch.tensor([0.1, 0.6, 0.3]).log().expand(MANY, 1, 3)
    drawn = draw_token(logits, temperature, top_p, generator())
    assert drawn.shape == (MANY, 1)
    shares = torch.bincount(drawn.flatten(), minlength=3) / MANY
    torch.testing.assert_close(shares, torch.tensor(expected), rtol=0, atol=0.015)
    assert all(share == 0 for share, p in zip(shares.tolist(), expected, strict=True) if p == 0)


def test_the_nucleus_is_the_smallest_set_that_is_likely_enough():
    for p in torch.rand(50, 12, generator=generator(), dtype=torch.float64).softmax(-1):
        for top_p in (0.05, 0.3, 0.8, 1.0):
            kept = nucleus(p, top_p) > 0
            assert p[kept].sum() >= top_p - 1e-12
            assert p[kept].sum() - p[kept].min() < top_p
            assert kept.all() or p[kept].min() >= p[~kept].max()


def test_samples_have_the_mixtures_moments():
    logits = torch.tensor([0.0, 1.0])
    mean, log_scale = torch.tensor([[0.0, 5.0], [10.0, -5.0]]), torch.tensor([[0.0, -1.0], [-2.0, 0.5]])
    shape = (MANY, 1)
    drawn = draw_samples(
        logits.expand(*shape, 2), mean.expand(*shape, 2, 2), log_scale.expand(*shape, 2, 2), 1.0, generator()
    )[:, 0]
    second = drawn[:, 0] > 5  # the components are far apart
    assert second.float().mean() == pytest.approx(float(logits.softmax(0)[1]), abs=0.015)
    for k, part in enumerate((drawn[~second], drawn[second])):
        torch.testing.assert_close(part.mean(0), mean[k], rtol=0, atol=0.1)
        torch.testing.assert_close(part.std(0), log_scale[k].exp(), rtol=0.05, atol=0)


def test_a_cold_mixture_stays_near_its_likeliest_mean():
    mixture = torch.tensor([[0.0, 1.0]]), torch.tensor([[[0.0], [9.0]]]), torch.zeros(1, 2, 1)
    drawn = draw_samples(*mixture, 0.01, generator())
    assert float(drawn) == pytest.approx(9, abs=0.1)
