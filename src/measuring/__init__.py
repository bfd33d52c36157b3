"""Clocks and memory probes."""
