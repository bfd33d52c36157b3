"""An exported graph in onnxruntime."""

from __future__ import annotations

from typing import Any

QUIET = 4  # of onnxruntime's levels: what goes wrong is said by whoever asked


def session(graph: str | bytes, *, quiet: bool = False) -> Any:
    """A graph, or the file it lies in, ready to run on the CPU in one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    if quiet:
        options.log_severity_level = QUIET
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
