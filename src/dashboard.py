"""Make a wandb workspace for a study: ``python -m src.dashboard study=NAME``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from src.config.errors import UserError
from src.config.places import study_folder
from src.config.shell import command
from src.files import write_atomically


def dashboard(cfg: DictConfig) -> None:
    """Build the wandb workspace of a study, and save it on the server or to a file.

    Args:
        cfg: a config composed from ``conf/dashboard.yaml``.

    Raises:
        UserError: the study does not exist, there is no login, the server rejects the workspace, or wandb-workspaces
            is missing.
    """
    from src.runs.study_record import no_study, read_study

    directory = study_folder(cfg)
    if (study := read_study(directory)) is None:
        raise no_study(directory)
    plan = study.plan
    if unknown := [name for name in cfg.only or [] if name not in plan.data]:
        raise UserError(f"{unknown[0]} is not a data set of {study.name}, which has {', '.join(plan.data)}.")

    from src.reporting.wandb_workspace import build_workspace

    try:
        workspace = build_workspace(plan, list(cfg.only or plan.data), cfg.project)
    except ImportError as error:
        raise UserError(
            f"A dashboard needs {error.name}: install it with pip install -e '.[report]' in GateBench's clone."
        ) from error
    if cfg.json:
        workspace.entity = cfg.entity or ""
        # The package has no public way to return what it would save; its version is pinned.
        text = workspace._to_model().model_dump_json(by_alias=True, exclude_none=True, indent=1)
        write_atomically(Path(cfg.json), lambda out: out.write(f"{text}\n".encode()))
        print(cfg.json)
    else:
        print(_save(workspace, cfg.entity))


def _save(workspace: Any, entity: str | None) -> str:
    """Save a workspace on wandb's server, and return its address."""
    import wandb

    from src.training.wandb_mode import logged_in

    if not logged_in():
        raise UserError("Saving a dashboard needs a wandb login: run `wandb login`, or write to a file with json=FILE.")
    try:
        workspace.entity = entity or str(wandb.Api().default_entity or "")
        return str(workspace.save().url)
    except Exception as error:
        words = " ".join(str(error).split())
        raise UserError(f"wandb rejected the dashboard ({words}): write it to a file with json=FILE.") from error


def main() -> None:
    """Run the command line."""
    command("dashboard", dashboard)


if __name__ == "__main__":
    main()
