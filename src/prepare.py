"""Download and verify data in advance: ``python -m src.prepare data=NAME``; without a name, list all data sets."""

from __future__ import annotations

from omegaconf import DictConfig

from src.config.shell import command


def prepare(cfg: DictConfig) -> None:
    """Read a data set as in training, so that its files are downloaded, verified and cached; or list all data sets.

    Args:
        cfg: a config composed from ``conf/prepare.yaml``.

    Raises:
        UserError: the data cannot be downloaded, or are invalid.
    """
    from pathlib import Path

    from src.config.instantiate import instantiate
    from src.config.screen import screen
    from src.data.catalogue import listing, own_sets

    data_dir = Path(cfg.paths.data_dir).expanduser()
    if cfg.get("data") is None:
        screen().print(listing(data_dir))
        print("Download and verify one of them with gatebench prepare data=NAME.")
        print(f"Files of your own: data={' | '.join(own_sets())} with data.path=FILE, see docs/own_data.md.")
        return
    data = instantiate(cfg.data)
    data.setup()
    print(f"Read and verified {', '.join(f'{len(split)} {name}' for name, split in data.splits.items())} sequences.")


def main() -> None:
    """Run the command line."""
    command("prepare", prepare)


if __name__ == "__main__":
    main()
