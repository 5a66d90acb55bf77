"""The Wasserstein distance as a loss in your own loop: a classifier that moves to another domain.

    python examples/07_alignment.py

Two classes with labels in one domain; in the other, shifted and without labels. The features of
both are drawn together under l2 while the classifier learns from the labels there are.
"""

import argparse

import torch
from torch import nn

from otgan import Alignment
from otgan.constraints import Certified
from otgan.geometry import Lp
from otgan.networks import mlp

SHIFT = torch.tensor([1.5, -1.0])


def points(n):
    """n points of two classes, and their labels."""
    y = torch.randint(2, (n,))
    return 0.5 * torch.randn(n, 2) + torch.stack([2.0 * y - 1, 0.0 * y], 1), y


def trained(steps, weight):
    """Accuracy on the shifted domain of a classifier whose features were aligned with a weight."""
    torch.manual_seed(0)
    features = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 4))
    head = nn.Linear(4, 2)
    align = Alignment(Lp(2), mlp((4,), width=32, depth=2)[1], Certified())
    optimiser = torch.optim.Adam([*features.parameters(), *head.parameters()], lr=2e-3)
    for _ in range(steps):
        (x, y), (shifted, _) = points(128), points(128)
        here, there = features(x), features(shifted + SHIFT)
        for _ in range(3):
            align.step(there, here)
        loss = nn.functional.cross_entropy(head(here), y) + weight * align(there, here)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    x, y = points(2000)
    return (head(features(x + SHIFT)).argmax(1) == y).float().mean().item()


def main(steps=300):
    found = {weight: trained(steps, weight) for weight in (0.0, 1.0)}
    for weight, accuracy in found.items():
        print(f"weight {weight}: {accuracy:.1%} of the other domain are right")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=300)
    main(parser.parse_args().steps)
