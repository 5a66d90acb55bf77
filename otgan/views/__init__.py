"""What critics see in place of points: one random look at real and generated ones alike."""

from otgan.views.augmentation import Augmentation
from otgan.views.base import View
from otgan.views.diffusion import Diffusion
from otgan.views.noise import Noise

__all__ = ["Augmentation", "Diffusion", "Noise", "View"]
