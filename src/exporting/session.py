"""Run an exported graph in onnxruntime."""

from __future__ import annotations

from typing import Any

QUIET = 4  # of onnxruntime's levels; the caller reports errors


def session(graph: str | bytes, *, quiet: bool = False) -> Any:
    """Load a graph or its file for the CPU with one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    if quiet:
        options.log_severity_level = QUIET
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
