"""Lightning modules that connect a data set with a recurrent network, and define loss and metrics."""

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
