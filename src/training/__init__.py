"""Training a run: loggers, callbacks, trainer."""

from src.config.names import lazily

__getattr__ = lazily(__name__, {"JobDDP": "ddp", "WandbMirror": "wandb_mirror"})
