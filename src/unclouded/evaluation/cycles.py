"""The cycle x -> y -> x of a translator."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from unclouded.models.observation import Observation
from unclouded.models.translator import Translator


class Cycle(NamedTuple):
    """Images of a cycle (B, 13, H, W), in reflectance.

    Attributes:
        cleared: x -> y, with a latent of the prior.
        back: x -> y -> x, with the latent by E_X of x and y.
        noisy: the same with noise on y, which destroys information hidden in y (Bashkirova et al. 2019).
    """

    cleared: Tensor
    back: Tensor
    noisy: Tensor


@torch.inference_mode()
def cycle_through(translator: Translator, x: Observation, *, noise: float = 0.01, seed: int = 0) -> Cycle:
    """Translate cloudy images (B) to Y and back.

    Args:
        translator: the networks, on the device of the images.
        x: sides are multiples of 8.
        noise: standard deviation of the noise on y, in reflectance; 0.01 is invisible.
        seed: of latents and noise.
    """
    training = translator.training
    translator.eval()
    rng = torch.Generator().manual_seed(seed)
    cleared, _ = translator.clear(x, translator.draw_y(x, rng))
    found = translator.e_x(x.optical, cleared, x)
    back = translator.cloud(x._replace(optical=cleared), found)
    noisy_y = cleared + noise * torch.randn(cleared.shape, generator=rng).to(cleared.device)
    noisy = translator.cloud(x._replace(optical=noisy_y), found)
    translator.train(training)
    return Cycle(cleared, back, noisy)
