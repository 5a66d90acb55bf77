"""Are the samples of a conditional run what they were asked to be? A classifier trained on real
images judges.

    python benchmarks/conditional.py RUN [--limit 1000] [--epochs 5]

The classifier (three convolutions, batch normalisation, one dense layer) sees the run's training
images and their labels alone; its accuracy on held-out images stands beside that on samples.
"""

from __future__ import annotations

from pathlib import Path

import torch
import tyro
from torch import Tensor, nn
from tyro.conf import Positional

from otgan.data import Samples
from otgan.model import Model


def classifier(channels: int, classes: int) -> nn.Sequential:
    """(n, channels, h, w) -> (n, classes), of images of any size from 8 x 8."""
    layers: list[nn.Module] = []
    for width in (32, 64, 128):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        layers += [nn.MaxPool2d(2, ceil_mode=True)]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(512, classes))


def trained(data: Samples, classes: int, epochs: int, batch: int = 128) -> nn.Module:
    """A classifier of the first attribute, trained with Adam at a rate that falls to 0."""
    torch.manual_seed(0)
    network, labels = classifier(data.shape[0], classes), data.first()
    steps = epochs * (len(data) // batch)
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    falling = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, steps)
    for step in range(steps):
        if step % (len(data) // batch) == 0:
            order = torch.randperm(len(data))
        chosen, order = order[:batch], order[batch:]
        loss = nn.functional.cross_entropy(network(data.points(chosen)), labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        falling.step()
    return network.eval()


@torch.no_grad()
def recognised(network: nn.Module, x: Tensor) -> Tensor:
    """The likeliest class of each image, (n, c, h, w) -> (n,)."""
    return torch.cat([network(part).argmax(1) for part in x.split(500)])


def main(run: Positional[Path], limit: int = 1000, epochs: int = 5) -> None:
    """Prints, for each class, how many real and how many generated images are recognised."""
    model = Model.load(run, data=True)
    training, held_out, names = model.domain.train, model.domain.held_out, model.domain.classes
    assert training is not None and held_out is not None and model.condition is not None
    network = trained(training, len(names), epochs)
    right = recognised(network, held_out.points()) == held_out.first()
    real = [right[held_out.first() == k].float().mean().item() for k in range(len(names))]
    generated = [
        (recognised(network, model.sample(limit, 0, name)) == k).float().mean().item()
        for k, name in enumerate(names)
    ]
    print(f"{'class':>12} {'real':>6} {'samples':>8}   recognised as such")
    for name, a, b in zip(names, real, generated, strict=True):
        print(f"{name:>12} {a:6.3f} {b:8.3f}")
    mean = sum(generated) / len(generated)
    print(f"{'all':>12} {right.float().mean():6.3f} {mean:8.3f}")


if __name__ == "__main__":
    tyro.cli(main)
