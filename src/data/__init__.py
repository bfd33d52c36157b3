"""Data sets as Lightning data modules that describe themselves before training.

``sets/`` has the named data sets and ``own/`` the user's own files; shared code is here. Configs name the classes
by the names below.
"""

from src.config.names import lazily

__getattr__ = lazily(
    __name__,
    {
        "Adding": "sets.synthetic",
        "CSV": "own.csv",
        "CopyMemory": "sets.synthetic",
        "ETT": "sets.ett",
        "File": "own.file",
        "Music": "sets.music",
        "NPZ": "own.npz",
        "SequentialMNIST": "sets.images",
        "Shakespeare": "sets.shakespeare",
        "SpokenDigits": "sets.spoken_digits",
        "SpokenDigitsWaveform": "sets.spoken_digits",
        "Text": "own.text",
        "UCR": "sets.ucr",
        "WavFolder": "own.wav_folder",
    },
)
