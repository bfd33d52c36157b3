"""Composed configs: validation with readable messages, instantiation, and commands. Nothing here imports torch."""
