"""Kernels for CUDA devices, written in Triton: one program processes one sequence, forward and backward."""
