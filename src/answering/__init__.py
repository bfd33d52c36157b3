"""An answer to "GRU or LSTM for these sequences?" within minutes: a study that plans itself."""
