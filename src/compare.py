"""Compare the models of a study or of any runs: ``python -m src.compare study=NAME``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from src.config.errors import UserError
from src.config.places import study_folder
from src.config.shell import command

if TYPE_CHECKING:
    from src.analysis.collect import Collection, Kind
    from src.analysis.summary import Summary


def compare(cfg: DictConfig) -> Summary:
    """Read runs, compare their models, print the verdicts, and write numbers and report.

    Args:
        cfg: a config composed from ``conf/compare.yaml``.

    Raises:
        UserError: there is nothing to compare, or a setting is out of range.
    """
    places, kind = where(cfg)
    from src.analysis.answer import summarise
    from src.analysis.asked import asked
    from src.analysis.collect import collect
    from src.analysis.external_results import read_table
    from src.analysis.looked import looked
    from src.analysis.pack import read_pack, write_pack
    from src.files import output
    from src.reporting.csv_files import write_numbers
    from src.reporting.paper import write_paper
    from src.reporting.terminal import show

    if cfg.report:
        from src.reporting.report import refuse_without_latex, write_report

        refuse_without_latex(cfg.figures)
    readers: dict[str, Callable[[Path], Collection]] = {"pack": read_pack, "table": read_table}
    collection = readers[kind](places[0]) if kind in readers else collect(places, kind)
    said: dict[str, Any] = OmegaConf.to_container(cfg)  # type: ignore[assignment]
    wanted = asked(collection, said["models"], said["metric"], said["margin"], said["mode"], said["familywise"])
    summary = summarise(collection, wanted)
    beside = places[0].with_name(f"{places[0].stem}_report") if kind == "table" else places[0] / "report"
    directory = Path(cfg.directory) if cfg.directory else beside
    if directory.exists() and not directory.is_dir():
        raise UserError(f"directory must be a folder, got the file {directory}.")
    for place in (directory, directory / "figures"):
        output(place, places[0])
    packed = write_pack(collection, Path(cfg.pack)) if cfg.pack else []
    keepers = [beside] if kind == "table" else [*places, *([Path(cfg.pack)] if cfg.pack else [])]
    summary = looked(summary, list(wanted.looks), keepers, directory)
    files = write_numbers(summary, directory) + write_paper(summary, directory) + packed
    if cfg.report:
        files += write_report(summary, directory, cfg.figures, cfg.report == "static")
    show(summary, files)
    return summary


def where(cfg: DictConfig) -> tuple[list[Path], Kind]:
    """Return what to read, and its kind: ``study``, ``runs``, ``table`` or ``pack``.

    Raises:
        UserError: not exactly one of study, folders and from is given, or it does not exist.
    """
    given = [key for key in ("study", "folders", "from") if cfg[key]]
    if len(given) != 1:
        said = f"got {' and '.join(given)}" if given else "got none"
        raise UserError(f"Give exactly one of study=NAME, folders='[DIR,...]' and from=TABLE.csv, {said}.")
    if cfg.pack and given[0] == "from":
        raise UserError(
            "pack=DIR writes the records of runs: use it with study=NAME or folders='[DIR,...]', not with from."
        )
    if given[0] == "folders":
        listed = OmegaConf.to_object(cfg.folders) if OmegaConf.is_config(cfg.folders) else [cfg.folders]
        assert isinstance(listed, list)
        return [Path(str(path)) for path in listed], "runs"
    if given[0] == "study":
        return [study_folder(cfg)], "study"
    path = Path(str(cfg["from"]))
    if not path.exists():
        raise UserError(
            f"{path} does not exist: from must be a table (from=results.csv) or a folder (from=experiments/NAME)."
        )
    return [path], "pack" if path.is_dir() else "table"


def main() -> None:
    """Run the command line."""
    command("compare", compare)


if __name__ == "__main__":
    main()
