"""Export a trained run as an ONNX model: ``python -m src.export run=DIR``."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from src.config.errors import UserError
from src.config.shell import command
from src.runs.described import read_run


def export(cfg: DictConfig) -> Path:
    """Rebuild a run and write its task as one ONNX graph, after comparing the two in onnxruntime.

    A user-supplied network is exported with PyTorch's tracer. Returns the model's file;
    `src.exporting.model.to_onnx` describes inputs and outputs. ``cfg`` is composed from ``conf/export.yaml``.

    Raises:
        UserError: ``run`` is not a run, or uses something that ONNX cannot express.
    """
    read_run(cfg.run, cfg.trust)  # refuse another directory before PyTorch is imported, which takes seconds

    import torch

    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise UserError(
            "Export needs the packages onnx and onnxruntime: pip install -e '.[export]' in GateBench's clone."
        ) from error

    from src.exporting.check import check
    from src.exporting.model import to_onnx
    from src.exporting.traced import to_onnx_by_trace
    from src.files import output, write_atomically
    from src.recurrent import StackedRNN
    from src.runs.load import load_run

    torch.set_num_threads(cfg.threads)
    run = load_run(cfg.run, cfg.ckpt, read_data=False, trust=cfg.trust)
    path = output(Path(cfg.output or run.directory / "model.onnx"), run.directory)
    facts = {"run": str(run.record.name), "id": run.record.id, "checkpoint": cfg.ckpt}
    if isinstance(run.task.network, StackedRNN):
        if cfg.time is not None:
            raise UserError(
                f"time={cfg.time} is for networks of your own: the graph of {run.model} accepts any number of steps."
            )
        model = to_onnx(run.task, state=cfg.state, facts=facts)
        worst = check(model, run.task)
    elif cfg.state:
        raise UserError(f"state=true needs a network of src.recurrent, got a {type(run.task.network).__name__}.")
    else:
        model, worst = to_onnx_by_trace(run.task, cfg.time, facts)
    write_atomically(path, lambda out: out.write(model.SerializeToString()))
    names = ", ".join(f"{value.name} {form(value)}" for value in (*model.graph.input, *model.graph.output))
    print(f"{path}: {names}; onnxruntime differs from the run by at most {worst:.1g}")
    return path


def form(value: object) -> str:
    """Format the dimensions of an ONNX input or output."""
    dimensions = value.type.tensor_type.shape.dim  # type: ignore[attr-defined]
    return f"({', '.join(d.dim_param or str(d.dim_value) for d in dimensions)})"


def main() -> None:
    """Run the command line."""
    command("export", export)


if __name__ == "__main__":
    main()
