"""How a run is trained: loggers, callbacks, trainer."""
