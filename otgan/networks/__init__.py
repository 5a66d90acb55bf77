"""Critics and generators: a builder takes the sample shape and gives one of each."""

from otgan.networks.biggan import biggan
from otgan.networks.cnn import dcgan
from otgan.networks.layers import Critic, Generator
from otgan.networks.mapping import mapping
from otgan.networks.mlp import mlp
from otgan.networks.progan import progan
from otgan.networks.r3gan import r3gan
from otgan.networks.resnet import resnet
from otgan.networks.stylegan import stylegan

__all__ = [
    "Critic",
    "Generator",
    "biggan",
    "dcgan",
    "mapping",
    "mlp",
    "progan",
    "r3gan",
    "resnet",
    "stylegan",
]
