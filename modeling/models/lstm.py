"""LSTM, both ways through the season, on one reflectance series per sample.

Hochreiter and Schmidhuber 1997, "Long Short-Term Memory", Neural Computation 9(8); for crops Rußwurm and Körner 2017, "Temporal
Vegetation Modelling Using Long Short-Term Memory Networks for Crop Identification from Medium-Resolution Multi-Spectral Satellite
Images", CVPR Workshops. BreizhCrops' shape is `LSTM(13, 9, width=128, layers=4, dropout=0.57)`.
"""

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from modeling.models import dates

NOWHERE = -1e4  # below every state: what is padded never is the largest


class LSTM(nn.Module):
    """An LSTM over the present dates in the order they come in, the largest value of each of its states, then a linear classifier.

    Absent dates are cut out of the sequence: no state is carried through them. The states know the order of dates; the days
    between them they only know from channels that say so.
    """

    def __init__(self, channels: int, classes: int, *, width: int = 64, layers: int = 1, dropout: float = 0.2):
        super().__init__()
        between = dropout if layers > 1 else 0.0
        self.lstm = nn.LSTM(channels, width, layers, batch_first=True, bidirectional=True, dropout=between)
        self.classify = nn.Sequential(nn.LayerNorm(2 * width), nn.Dropout(dropout), nn.Linear(2 * width, classes))

    def forward(self, x: Tensor, present: Tensor, days: Tensor) -> Tensor:
        """(B, T, C) standardised, (B, T) bool -> (B, classes) logits; those of a sample without any date are the same for all such."""
        season, count = dates.compacted(x, present)
        lengths = count.clamp(min=1).cpu()
        states, _ = self.lstm(pack_padded_sequence(season, lengths, batch_first=True, enforce_sorted=False))
        states, _ = pad_packed_sequence(states, batch_first=True, padding_value=NOWHERE)  # (B, longest, 2 width)
        largest = states.amax(dim=1).masked_fill(count.unsqueeze(-1) == 0, 0.0)
        return self.classify(largest)
