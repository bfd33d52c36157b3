"""Trained networks as ONNX graphs."""
