"""The classifier reads the last valid state of each direction, whatever stands behind it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from omegaconf import DictConfig

from src.config.errors import UserError
from src.config.instantiate import instantiate
from src.data.batches import Batch, FlatSplit
from src.data.describe import Classes, Description, Features, Tokens
from src.recurrent import GRU
from src.tasks.budget import without_budget
from src.tasks.build import factory
from src.tasks.classification import SequenceClassification
from tests.tasks.tiny import InMemory, measure

DESCRIPTION = Description(Features(3), Classes(("a", "b", "c")), per_step=False, varying_length=True, causal=False)
LENGTHS = torch.tensor([5, 2, 7, 1])


def classifier(description: Description = DESCRIPTION, bidirectional: bool = False, **keywords: Any) -> Any:
    torch.manual_seed(0)
    network = partial(GRU, hidden_size=4, batch_first=True, bidirectional=bidirectional)
    return SequenceClassification(
        description=description, network=network, optimizer=torch.optim.Adam, monitor="val/nll", **keywords
    )


def split() -> FlatSplit:
    values = torch.randn(15, 3, generator=torch.Generator().manual_seed(1))
    return FlatSplit(values, LENGTHS, torch.tensor([0, 1, 2, 0]))


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_further_changes_no_output(pooling: str, bidirectional: bool) -> None:
    task = classifier(bidirectional=bidirectional, pooling=pooling)
    batch = split()[torch.arange(4)]
    longer = Batch(F.pad(batch.x, (0, 0, 0, 9)), batch.y, batch.lengths, batch.rows)
    assert torch.allclose(task(batch), task(longer), atol=1e-6)


def test_the_head_reads_each_directions_last_state() -> None:
    task = classifier(bidirectional=True)
    pieces = split().values.split(LENGTHS.tolist())
    network = torch.nn.GRU(3, 4, batch_first=True, bidirectional=True)
    network.load_state_dict(task.network.state_dict())
    by_hand = [task.head(torch.cat(list(network(piece[None])[1][:, 0]))) for piece in pieces]
    assert torch.allclose(task(split()[torch.arange(4)]), torch.stack(by_hand), atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 3, 4])
def test_metrics_are_those_of_a_plain_loop(batch_size: int) -> None:
    task = classifier()
    data = InMemory(DESCRIPTION, split, batch_size=1, eval_batch_size=batch_size)
    found = measure(task, data)
    logits = torch.stack([task(split()[torch.tensor([i])])[0] for i in range(4)]).detach()
    said, right = logits.argmax(-1), torch.tensor([0, 1, 2, 0])
    nll = float(-logits.double().log_softmax(-1)[torch.arange(4), right].mean())
    assert found["test/nll"] == pytest.approx(nll, abs=1e-6)
    assert found["test/acc"] == pytest.approx(float((said == right).double().mean()))
    f1 = []
    for c in range(3):
        tp, fp, fn = (int((a & b).sum()) for a, b in [
            (said == c, right == c), (said == c, right != c), (said != c, right == c)
        ])  # fmt: skip
        f1.append(2 * tp / max(2 * tp + fp + fn, 1))
    assert found["test/f1"] == pytest.approx(sum(f1) / 3, abs=1e-6)
    columns = task.tables["test"].columns()
    assert columns["row"].tolist() == [0, 1, 2, 3]
    assert columns["prediction"].tolist() == said.tolist()
    assert columns["loss"].sum() / columns["count"].sum() == pytest.approx(nll, abs=1e-6)


def test_class_weights_weigh_the_training_loss_only() -> None:
    task = classifier(class_weights=[1.0, 2.0, 3.0])
    batch = split()[torch.arange(4)]
    expected = F.cross_entropy(task(batch), batch.y, weight=torch.tensor([1.0, 2.0, 3.0]))
    assert torch.allclose(task.reduce(task.losses(batch)), expected)


def test_a_bidirectional_network_is_refused_where_it_would_read_the_answer() -> None:
    causal = Description(Features(3), Classes(("a", "b", "c")), per_step=False, varying_length=True, causal=True)
    with pytest.raises(UserError, match="which its backward direction reads"):
        classifier(causal, bidirectional=True)
    assert classifier(causal)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"class_weights": [1.0]}, "task.class_weights must have one entry per class, 3, got 1"),
    ],
)
def test_impossible_options_are_refused(keywords: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        classifier(**keywords)


def test_data_without_classes_are_refused() -> None:
    from src.data.describe import Bits

    music = Description(Features(3), Bits(3), per_step=True, varying_length=True, causal=True)
    with pytest.raises(UserError, match="one class per sequence"):
        classifier(music)


def test_the_keras_example_has_its_parameters(compose: Callable[..., DictConfig]) -> None:
    """Embedding 64,000 + GRU 247,296 + tanh layer 49,280 + linear 1,290, as Keras counts them."""
    cfg = compose("model=keras_mixed")
    words = Description(Tokens(1000), Classes(tuple("0123456789")), per_step=False, varying_length=True, causal=False)
    network, optimizer = factory(without_budget(cfg.model)), factory(cfg.optimizer)
    task = instantiate(cfg.task, description=words, network=network, optimizer=optimizer)
    assert task.count_parameters()["recurrent"] == 247_296 + 49_280
    assert task.count_parameters()["total"] == 361_866
