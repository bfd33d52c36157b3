"""Spectra of audio on the mel scale: log-mel energies and cepstral coefficients."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from src.config.errors import UserError

BANDS = 40  # triangular, evenly spaced on the mel scale from 0 to half the sampling rate
WINDOW, HOP = 0.025, 0.010  # seconds of each frame (Hann), and from one to the next


def log_mel(samples: Tensor, rate: int) -> Tensor:
    """Return log energies in mel bands, (frames, bands), from (samples,) between -1 and 1 at ``rate`` Hz.

    The first frame is centred on the first sample; silence is ln(1e-6).

    Raises:
        UserError: there is less than one sample from one frame to the next.
    """
    length, hop = round(WINDOW * rate), round(HOP * rate)
    if hop < 1:
        raise UserError(f"A recording has {rate} samples per second, too few for a spectrum every 10 ms.")
    size = 1 << (length - 1).bit_length()
    padded = torch.nn.functional.pad(samples, (size // 2, size // 2))
    spectrum = torch.stft(padded, size, hop, length, torch.hann_window(length), center=False, return_complex=True)
    power = spectrum.abs().square() / length
    return (mel_bands(rate, size, BANDS) @ power).clamp_min(1e-6).log().T.contiguous()


def mfcc(samples: Tensor, rate: int) -> Tensor:
    """Return mel-frequency cepstral coefficients (Davis and Mermelstein 1980): the DCT of log-mel energies.

    Shape (frames, 13), the first being the mean energy, from (samples,) between -1 and 1 at ``rate`` Hz.
    """
    from scipy.fft import dct

    return torch.from_numpy(dct(log_mel(samples, rate).numpy(), type=2, axis=1, norm="ortho")[:, :13].copy())


@cache
def mel_bands(rate: int, size: int, bands: int) -> Tensor:
    """Return triangular weights, (bands, size // 2 + 1), each rising from the previous band's centre to 1 at its own.

    The scale is mel(f) = 2595 log10(1 + f / 700) (O'Shaughnessy 1987).
    """
    top = 2595 * torch.log10(torch.tensor(1 + rate / 2 / 700, dtype=torch.float64))
    edges = 700 * (10 ** (torch.linspace(0, 1, bands + 2, dtype=torch.float64) * top / 2595) - 1)
    frequencies = torch.linspace(0, rate / 2, size // 2 + 1, dtype=torch.float64)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (frequencies - left) / (centre - left), (right - frequencies) / (right - centre)
    return torch.minimum(rising, falling).clamp_min(0).float()
