"""How points are spelt in tokens, and the two networks that read and write them."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn


class Language(Protocol):
    """How points are spelt: rows of tokens 1 .. symbols, filled up with 0."""

    symbols: int
    length: int
    """Most tokens of a point."""

    def write(self, x: Tensor) -> Tensor:
        """(n, *E) -> (n, length), int64."""
        ...

    def read(self, tokens: Tensor) -> Tensor:
        """Any tokens, also those that spell nothing, (n, length) -> (n, *E)."""
        ...


class Sequences:
    """The language of points that are rows of tokens already, (n, length) of 1 .. symbols, then 0.

    Raises:
        ValueError: on writing, other values.
    """

    def __init__(self, symbols: int, length: int):
        self.symbols, self.length = symbols, length

    def write(self, x: Tensor) -> Tensor:
        tokens = x.long()
        if (tokens != x).any() or tokens.min() < 0 or tokens.max() > self.symbols:
            raise ValueError(f"sequences are of whole numbers from 0 to {self.symbols}")
        return tokens

    def read(self, tokens: Tensor) -> Tensor:
        return tokens.float()


class Reader(nn.Module):
    """A bidirectional GRU over the tokens, (n, *E) -> (n, latent)."""

    def __init__(self, language: Language, latent: int, width: int):
        super().__init__()
        self.language = language
        self.embedding = nn.Embedding(language.symbols + 1, width)
        self.memory = nn.GRU(width, width // 2, batch_first=True, bidirectional=True)
        self.out = nn.Linear(width, latent)

    def forward(self, x: Tensor) -> Tensor:
        last = self.memory(self.embedding(self.language.write(x)))[1]
        return self.out(last.transpose(0, 1).flatten(1))


class Speller(nn.Module):
    """A GRU from latent vectors (n, latent) to tokens; 0 starts and ends a spelling."""

    def __init__(self, symbols: int, latent: int, width: int):
        super().__init__()
        self.embedding = nn.Embedding(symbols + 1, width)
        self.start = nn.Linear(latent, width)
        self.told = nn.Linear(latent, width)
        self.memory = nn.GRU(width, width, batch_first=True)
        self.out = nn.Linear(width, symbols + 1)

    def forward(self, z: Tensor, before: Tensor, shown: Tensor) -> Tensor:
        """Logits of the next token, (n, latent), (n, l), (n, l) -> (n, l, symbols + 1)."""
        words = self.embedding(before) * shown[..., None] + self.told(z)[:, None]
        return self.out(self.memory(words, self.start(z).tanh()[None])[0])

    def spell(self, z: Tensor, length: int) -> Tensor:
        """The likeliest token after the others, until the end, (n, latent) -> (n, length)."""
        tokens = torch.zeros(len(z), length, dtype=torch.long, device=z.device)
        told, state = self.told(z)[:, None], self.start(z).tanh()[None]
        before = tokens[:, :1]
        going = torch.ones(len(z), dtype=torch.bool, device=z.device)
        for k in range(length):
            hidden, state = self.memory(self.embedding(before) + told, state)
            before = self.out(hidden).argmax(2) * going[:, None]
            tokens[:, k] = before[:, 0]
            going = going & (before[:, 0] > 0)
            if not going.any():
                break
        return tokens
