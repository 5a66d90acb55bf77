"""Critics and generators: a builder takes the sample shape and gives one of each."""

from otgan.networks.cnn import dcgan
from otgan.networks.layers import Critic, Generator
from otgan.networks.mlp import mlp

__all__ = ["Critic", "Generator", "dcgan", "mlp"]
