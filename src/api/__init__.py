"""The Python interface: train on data in memory, and use a run as an object."""
