"""From what a data set holds to the features that a recurrent network reads."""

from __future__ import annotations

from torch import Tensor, nn

from src.data.describe import Description, Tokens


class Encoder(nn.Module):
    """An embedding of so many features for tokens; features go through as they are.

    Attributes:
        output_size: features per step that come out.
    """

    def __init__(self, description: Description, embedding_size: int) -> None:
        super().__init__()
        tokens = isinstance(description.input, Tokens)
        self.embedding = nn.Embedding(description.input.vocabulary, embedding_size) if tokens else None  # type: ignore[union-attr]
        self.output_size = embedding_size if tokens else description.input.size  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        """(batch, time) tokens or (batch, time, size) features to (batch, time, output_size)."""
        return x if self.embedding is None else self.embedding(x)
