"""Look inside runs: measure, write and draw side by side, also during training."""

from src.config.names import lazily

__getattr__ = lazily(__name__, {"Explain": "callback"})
