"""Lightning modules that join a data set to a recurrent network and own the loss and the metrics."""

from src.config.names import lazily

PUBLIC = {
    "Forecasting": "forecasting",
    "LanguageModel": "language_model",
    "PerStepClassification": "per_step",
    "PolyphonicMusic": "music",
    "SequenceClassification": "classification",
    "SequenceRegression": "regression",
    "Waveform": "waveform",
    "for_data": "auto",
}
__getattr__ = lazily(__name__, PUBLIC)
