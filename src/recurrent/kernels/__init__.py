"""The recurrent kernels in C++: build, loading and calls."""
