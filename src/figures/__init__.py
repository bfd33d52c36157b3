"""Pictures: plain functions from arrays to a matplotlib figure, in one palette."""
