"""Rows of numbers and classes as vectors: whitened numbers beside one coordinate for each class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from otgan.preprocess import Chart, Method, Whitening


class Mixed(Chart):
    """Numbers whitened, classes one-hot: l2 is Mahalanobis of the numbers where classes agree.

    Two classes are sqrt(2) apart, which is what two random values of a whitened number are in root
    mean square. Decoding takes the largest coordinate.

    Args:
        classes: of each column, how many there are; 0 for numbers.
        method: of whitening.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [3.0, 2.0], [4.0, 1.0], [6.0, 1.0]])
        >>> chart = Mixed([0, 3]).fit(x)
        >>> chart.encode(x).shape, (chart.decode(chart.encode(x)) - x).abs().max() < 1e-5
        (torch.Size([4, 4]), tensor(True))
    """

    unit = None

    def __init__(self, classes: Sequence[int], method: Method = "pca"):
        super().__init__()
        self.classes = tuple(classes)
        self.numbers = [k for k, several in enumerate(classes) if not several]
        self.whitening = Whitening((len(self.numbers),), method)

    def encoded_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (len(self.numbers) + sum(self.classes),)

    def fit(self, x: Tensor) -> Mixed:
        """To rows, (n, columns).

        Raises:
            ValueError: as `Whitening.fit`.
        """
        if self.numbers:
            self.whitening.fit(x[:, self.numbers])
        return self

    def encode(self, x: Tensor) -> Tensor:
        parts = [self.whitening.encode(x[:, self.numbers])] if self.numbers else []
        for k, several in enumerate(self.classes):
            if several:
                parts.append(one_hot(x[:, k].long(), several).to(x))
        return torch.cat(parts, 1)

    def decode(self, x: Tensor) -> Tensor:
        sizes = [len(self.numbers), *(several for several in self.classes if several)]
        numbers, *scores = x.split(sizes, 1)
        found = x.new_empty(len(x), len(self.classes))
        if self.numbers:
            found[:, self.numbers] = self.whitening.decode(numbers)
        columns = [k for k, several in enumerate(self.classes) if several]
        for k, part in zip(columns, scores, strict=True):
            found[:, k] = part.argmax(1).to(x)
        return found
