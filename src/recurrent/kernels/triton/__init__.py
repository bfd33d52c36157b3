"""The kernels for CUDA devices, written in Triton: one program walks one sequence, forward and back."""
