"""Sequences in chunks: every step is read once, in order, by all processes alike."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from src.config.errors import UserError
from src.data import tbptt as streams
from src.data.batches import Chunk, FlatSplit
from src.data.describe import Classes, Description, Features
from src.data.module import SequenceData
from src.data.tbptt import ChunkOrder, cut

QUICK = settings(deadline=None, max_examples=40, derandomize=True)
LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=12)


def seed_of_epoch(epoch: int) -> int:
    return 7 * epoch + 3


def steps_of(chunks: list[Chunk]) -> list[tuple[int, int]]:
    """Every (sequence, step) that the chunks read, in order."""
    return [
        (sequence, offset + step)
        for chunk in chunks
        for sequence, offset, length in zip(*(t.tolist() for t in chunk[1:4]), strict=True)
        for step in range(length)
    ]


def all_steps(lengths: list[int]) -> list[tuple[int, int]]:
    return [(i, step) for i, length in enumerate(lengths) for step in range(length)]


def check_that_rows_go_on(chunks: list[Chunk]) -> None:
    """A row that does not start goes on, at the next step, from the same row of the chunk before."""
    before: dict[int, tuple[int, int]] = {}
    for chunk in chunks:
        now = {}
        for row, sequence, offset, length, starts in zip(*(t.tolist() for t in chunk), strict=True):
            assert starts or before[row] == (sequence, offset)
            now[row] = (sequence, offset + length)
        before = now


@QUICK
@given(LENGTHS, st.integers(1, 9))
def test_streams_are_contiguous_and_hold_every_step_once(lengths, number):
    sequences, offsets, sizes = cut(torch.tensor(lengths), number).tolist()
    assert min(sizes) >= 1
    read = [(s, o + i) for s, o, n in zip(sequences, offsets, sizes, strict=True) for i in range(n)]
    assert read == all_steps(lengths)


@QUICK
@given(LENGTHS, st.integers(1, 30))
def test_fewer_sequences_than_streams_are_cut_into_exactly_as_many(lengths, number):
    if len(lengths) <= number <= sum(lengths):
        assert cut(torch.tensor(lengths), number).shape == (3, number)


def test_a_single_text_is_cut_evenly():
    assert cut(torch.tensor([1_003_853]), 32)[2].unique().tolist() == [31370, 31371]


def test_sequences_of_similar_length_stay_whole():
    lengths = torch.tensor([60, 55, 70, 64, 58, 61, 66])
    assert cut(lengths, 4)[2].tolist() == lengths.tolist()


@QUICK
@given(LENGTHS, st.integers(1, 5), st.integers(1, 50))
def test_evaluation_reads_every_sequence_from_start_to_end(lengths, batch_size, chunk):
    chunks = list(ChunkOrder(torch.tensor(lengths), batch_size, None, chunk))
    assert sorted(steps_of(chunks)) == all_steps(lengths)
    assert all(torch.equal(c.rows, c.sequences) for c in chunks)
    assert all(torch.equal(c.starts, c.offsets == 0) for c in chunks)
    check_that_rows_go_on(chunks)


@QUICK
@given(LENGTHS, st.integers(1, 5), st.integers(1, 50), st.integers(0, 5))
def test_training_reads_every_step_once_in_an_epoch(lengths, batch_size, chunk, epoch):
    order = ChunkOrder(torch.tensor(lengths), batch_size, seed_of_epoch, chunk)
    order.set_epoch(epoch)
    chunks = list(order)
    assert sorted(steps_of(chunks)) == all_steps(lengths)
    assert all(int(c.lengths.max()) <= chunk for c in chunks)
    check_that_rows_go_on(chunks)


@QUICK
@given(LENGTHS, st.integers(1, 4), st.integers(1, 20), st.integers(2, 3))
def test_processes_make_the_same_number_of_steps_in_every_epoch(lengths, batch_size, chunk, world):
    assume(cut(torch.tensor(lengths), batch_size * world).shape[1] >= world)
    orders = [ChunkOrder(torch.tensor(lengths), batch_size, seed_of_epoch, chunk) for _ in range(world)]
    sizes, read, left_out = set(), [], set()
    for rank, order in enumerate(orders):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(streams, "place", lambda _, rank=rank: (rank, world))
            for epoch in range(3):
                order.set_epoch(epoch)
                chunks = list(order)
                check_that_rows_go_on(chunks)
                sizes |= {len(chunks), len(order)}
            read += steps_of(chunks)
            left_out.add(order.left_out())
    assert len(sizes) == len(left_out) == 1
    assert len(read) == len(set(read))
    assert (left_out == {0.0}) == (sorted(read) == all_steps(lengths))
    assert 0 <= left_out.pop() < 1


@pytest.mark.parametrize(("lengths", "left_out"), [([10] * 6, 0.0), ([10, 10, 10, 10, 10, 40], 1 / 3)])
def test_an_odd_number_of_groups_is_shared(lengths, left_out, monkeypatch):
    """What cannot be shared, since some streams are longer than others, is said."""
    orders = []
    for rank in range(2):
        monkeypatch.setattr(streams, "place", lambda _, rank=rank: (rank, 2))
        order = ChunkOrder(torch.tensor(lengths), 2, seed_of_epoch, 10)
        orders.append(steps_of(list(order)))
        assert order.left_out() == pytest.approx(left_out)
    if not left_out:
        assert sorted(orders[0] + orders[1]) == all_steps(lengths)


def test_processes_share_a_single_text_without_loss(monkeypatch):
    read = []
    for rank in range(2):
        monkeypatch.setattr(streams, "place", lambda _, rank=rank: (rank, 2))
        read += steps_of(list(ChunkOrder(torch.tensor([240]), 4, seed_of_epoch, 10)))
    assert sorted(read) == all_steps([240])


def test_the_order_is_a_function_of_the_epoch():
    order = ChunkOrder(torch.randint(5, 30, (40,)), 4, seed_of_epoch, 6)

    def epoch(number):
        order.set_epoch(number)
        return steps_of(list(order))

    assert epoch(0) == epoch(0) != epoch(1)


def test_some_of_the_streams_are_read_to_their_end():
    order = ChunkOrder(torch.tensor([240]), 4, seed_of_epoch, 10, rows_of=lambda streams: torch.tensor([2]))
    assert steps_of(list(order)) == [(0, step) for step in range(120, 180)]


def test_only_the_first_steps_of_every_stream_are_read_where_that_is_asked():
    order = ChunkOrder(torch.tensor([240]), 4, seed_of_epoch, 10, most=15)
    chunks = list(order)
    assert sorted(steps_of(chunks)) == [(0, start + step) for start in (0, 60, 120, 180) for step in range(15)]
    assert [chunk.lengths.tolist() for chunk in chunks] == [[10] * 4, [5] * 4]
    assert len(order) == 2


def test_a_chunk_is_a_slice_of_the_whole_batch():
    values = torch.arange(30)
    split = FlatSplit(values, torch.tensor([12, 18]), values, per_step=True, shift=1)
    whole = split[torch.tensor([1, 0])]
    rows = torch.tensor([1, 0])
    chunk = split[Chunk(torch.tensor([8, 9]), rows, torch.tensor([4, 4]), torch.tensor([6, 6]), torch.zeros(2) > 0)]
    assert torch.equal(chunk.x, whole.x[:, 4:10])
    assert torch.equal(chunk.y, whole.y[:, 4:10])
    assert chunk.rows.tolist() == [8, 9]


class OneLabelEach(SequenceData):
    def read(self):
        self.splits["train"] = FlatSplit(torch.rand(20, 1), torch.full((4,), 5), torch.tensor([0, 1, 0, 1]))
        return Description(Features(1), Classes(("a", "b")), per_step=False, varying_length=False, causal=False)


def test_sequences_with_one_target_are_not_cut():
    with pytest.raises(UserError, match=r"data\.chunk=3 cuts sequences.*set data\.chunk=null"):
        OneLabelEach(chunk=3).train_dataloader()
