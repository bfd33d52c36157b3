"""Composed configs: checked in words, instantiated in one place, handed to a command. Nothing here imports torch."""
