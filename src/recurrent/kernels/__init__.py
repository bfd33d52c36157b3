"""The recurrent kernels in C++, and the way from their source to a loaded library."""
