"""Where the game is played: in a learned encoding of molecules, or on their atoms and bonds."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from otgan.config import InputError
from otgan.geometry import Lp
from otgan.networks import mlp
from otgan.preprocess import Encoding
from otgan_domains.molecules.dense import mlp_on_codes
from otgan_domains.molecules.onehot import OneHot, geometry
from otgan_domains.molecules.relational import GraphEncoder, graph
from otgan_domains.molecules.spelling import Spelling
from otgan_domains.molecules.vocabulary import Vocabulary

Coordinates = Literal["learned", "one-hot"]

LATENT = {
    "steps": 4000,
    "batch_size": 256,
    "average": 0.999,
    "optimiser": {"rate": 4e-4},
    "network": {"width": 256},
}
GAME = {"critic_steps": 3}
ONE_HOT = {"steps": 10_000}


def coordinates(kind: Coordinates, vocabulary: Vocabulary, p: float) -> dict[str, Any]:
    """Geometry, chart, networks and presets of a domain of molecules.

    Raises:
        InputError: a p that has no meaning there.
    """
    if p not in (1, 2):
        raise InputError(f"--p is the exponent of the ground cost, 1 or 2, got {p:g}")
    if kind == "one-hot":
        return {
            "geometry": geometry(vocabulary, p),
            "chart": OneHot(vocabulary),
            "networks": {
                "graph": partial(graph, vocabulary),
                "mlp": partial(mlp_on_codes, vocabulary),
            },
            "presets": {"*": ONE_HOT},
        }
    encoder = partial(GraphEncoder, vocabulary)
    return {
        "geometry": Lp(p),
        "chart": Encoding(
            Spelling(vocabulary), encoder, noise=1.0, dropout=0.0, steps=2000, batch_size=128
        ),
        "networks": {"mlp": mlp},
        "presets": {"*": LATENT, "wgan-gp": GAME, "wgan-lp": GAME},
    }
