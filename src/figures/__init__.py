"""Figures: plain functions from arrays to a matplotlib figure, with one palette."""
