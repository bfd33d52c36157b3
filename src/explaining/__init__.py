"""What the inside of runs shows, measured, written and drawn side by side; and while they train."""

from src.config.names import lazily

__getattr__ = lazily(__name__, {"Explain": "callback"})
