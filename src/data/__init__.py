"""Data sets as Lightning data modules that describe themselves before training."""
