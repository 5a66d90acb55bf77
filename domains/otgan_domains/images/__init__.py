"""Images under the Euclidean ground cost: the reference domain."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import torch

from otgan.conditions import Attribute, described, to_json
from otgan.config import InputError
from otgan.data import Samples, split
from otgan.domain import Domain
from otgan.geometry import Lp
from otgan.networks import biggan, dcgan, mlp, progan, r3gan, resnet, stylegan
from otgan.preprocess import Chart, Identity, Method, Scaling, Whitening
from otgan.report.pictures import grid
from otgan_domains.images.inception import Inception
from otgan_domains.images.loading import read
from otgan_domains.images.opening import Form
from otgan_domains.images.pixels import to_tensor
from otgan_domains.images.saving import save

FAST = {"critic_steps": 2, "average": 0.999, "optimiser": {"rate": 1e-3}}
"""For slope penalties and certified critics, within minutes on a small machine (docs/design.md)."""


def images(
    data: str = "digits",
    size: tuple[int, int] | None = None,
    resize: Literal["stretch", "crop"] = "stretch",
    channels: int | None = None,
    value_range: tuple[float, float] | None = None,
    held_out: float = 0.2,
    chart: Literal["scaling", "identity", "whitening", "pca", "zca", "cholesky"] = "scaling",
    p: float = 2.0,
    inception: str | None = None,
    *,
    state: dict[str, Any] | None = None,
) -> Domain:
    """Images: pixel values in [0, 1], ground cost l2 between them.

    Args:
        data: digits (scikit-learn's own), a folder of images (subfolders are labels, and train and
            test are told apart), a .npy,
            .npz, .parquet or IDX(.gz) file, a folder with MNIST-type IDX files, or hf:NAME for a
            data set of the Hugging Face hub; from Python an array too, or a mapping as in an .npz:
            x, y, and any other value of each image under its own name.
        size: height and width to bring every image to; as they are if not given.
        resize: stretch to the size, or crop the centre to its aspect ratio first.
        channels: 1 for grey, 3 for colour; as they are if not given.
        value_range: the values of a floating-point array that mean black and white.
        held_out: share of the images kept from training, if the data bring no test set.
        chart: scaling to [-1, 1], identity, or whitening (the ground cost is then Mahalanobis):
            zca, which keeps pixels in their places and is what `whitening` means, pca or cholesky.
        p: exponent of the lp ground cost.
        inception: file of torch-fidelity's Inception weights, for FID and KID in `otgan evaluate`.
        state: of a finished run, in place of data.
    """
    training = testing = None
    if state is None:
        source = read(data, Form(size, resize, channels))
        known, known_test, discrete = source.known()
        training = Samples(to_tensor(source.x, value_range, channels), known)
        if source.x_test is not None:
            testing = Samples(to_tensor(source.x_test, value_range, channels), known_test)
        else:
            training, testing = split(training, held_out)
        if testing.shape != training.shape:
            raise InputError(
                f"training images are {training.shape} and test images {testing.shape}: "
                "give --size HEIGHT WIDTH"
            )
        attributes = to_json(described(training.y, discrete))
        state = {"shape": list(training.shape), "attributes": attributes}
        if inception is not None and not Path(inception).is_file():
            raise InputError(f"--inception '{inception}' is no file: name the Inception weights")
    shape = tuple(state["shape"])
    if not p >= 1:
        raise InputError(f"--p is the exponent of a norm, at least 1, got {p}")
    small = max(shape[1:]) <= 16
    return Domain(
        geometry=Lp(p),
        train=training,
        held_out=testing,
        chart=_chart(chart, shape, training),
        networks={
            "dcgan": partial(dcgan, width=64 if small else 32),
            "plain-dcgan": partial(dcgan, width=64, depth=0),
            "mlp": mlp,
            **{
                builder.__name__: partial(builder, width=32 if small else 16)
                for builder in (resnet, progan, stylegan, biggan, r3gan)
            },
        },
        presets={
            "*": {"steps": 3000 if small else 20_000},
            "wgan-gp": FAST,
            "wgan-lp": FAST,
            "certified": FAST,
            "wgan": {"network": {"name": "plain-dcgan"}},
            "gan": {"network": {"name": "plain-dcgan"}},
            "dcgan": {"network": {"name": "plain-dcgan"}},
            "progan": {
                "network": {"name": "progan"},
                "critic_steps": 2,
                "optimiser": {"rate": 4e-3},
            },
            **{name: {"network": {"name": name}} for name in ("stylegan", "biggan", "r3gan")},
        },
        save=save,
        show=grid,
        extension=".png",
        state=state,
        attributes=tuple(map(Attribute.restore, state["attributes"])),
        features={} if inception is None else {"inception": Inception(Path(inception))},
        provenance={"resizing": Form(size, resize, channels).said()},
    )


def _chart(kind: str, shape: tuple[int, ...], training: Samples | None) -> Chart:
    if kind in ("scaling", "identity"):
        return Scaling(0.0, 1.0) if kind == "scaling" else Identity()
    chart = Whitening(shape, "zca" if kind == "whitening" else cast(Method, kind))
    if training is not None:
        parts = torch.arange(len(training)).split(8192)
        try:
            chart.fit(training.points(part) for part in parts)
        except ValueError as error:
            raise InputError(str(error)) from None
    return chart
