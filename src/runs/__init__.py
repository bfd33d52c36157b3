"""Runs: their identity, their directory on disk, and reading them back."""
