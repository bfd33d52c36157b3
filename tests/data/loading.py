"""What loading costs beside training: ``python -m tests.data.loading data=musedata``.

Processor time, so that a busy machine measures the same; one thread, no worker processes.
"""

import sys
from time import process_time

import torch
from hydra import compose, initialize_config_dir

from src.config.places import CONF, register_resolvers
from src.tasks.build import build


def main() -> None:
    """Print seconds of reading, of an epoch's batches, and of an epoch with its training steps."""
    torch.set_num_threads(1)
    register_resolvers()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", overrides=["scheduler=none", *sys.argv[1:]])
    begin = process_time()
    data, task = build(cfg)
    reading = process_time() - begin
    loader, optimizer = data.train_dataloader(), task.configure_optimizers()
    task.train()

    def epoch(number: int, train: bool) -> float:
        loader.sampler.set_epoch(number)  # type: ignore[attr-defined]
        begin = process_time()
        for batch in loader:
            if train:
                optimizer.zero_grad()
                task.reduce(task.losses(batch)).backward()
                optimizer.step()
        return process_time() - begin

    batches, training = (min(epoch(number, train) for number in range(3)) for train in (False, True))
    share = batches / training
    print(f"reading {reading:.2f} s, an epoch's batches {batches:.3f} s, an epoch {training:.2f} s: {share:.1%}")


if __name__ == "__main__":
    main()
