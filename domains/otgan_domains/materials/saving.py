"""Generated formulas to files and pictures."""

from __future__ import annotations

import base64
import csv
import io
import zlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from otgan.report.files import arrays, write, write_table
from otgan_domains.materials.candidates import CHEMISTRY, chemistry
from otgan_domains.materials.estimates import Estimator
from otgan_domains.materials.fractions import Cumulative
from otgan_domains.materials.page import draw
from otgan_domains.materials.representation import points, texts

HEADER = (
    *("formula", "elements", "atoms", "known", "repeats", "nearest", "distance"),
    *CHEMISTRY,
    "critic",
)


class Saver:
    """Writes amounts as formulas, each beside the known ones.

    Args:
        elements: names of the columns.
        known: formulas of the data, those for training first.
        training: how many of them those are.
        estimator: of a property, for two more columns.
    """

    def __init__(
        self,
        elements: Sequence[str],
        known: Sequence[str],
        training: int,
        estimator: Estimator | None = None,
    ):
        self.elements, self.known, self.training = tuple(elements), list(known), training
        self.estimator = estimator
        self.number = {text: k for k, text in enumerate(self.known)}

    @property
    def header(self) -> tuple[str, ...]:
        """Of the columns of `rows`."""
        if self.estimator is None:
            return HEADER
        return *HEADER, f"{self.estimator.name}, estimate", "standard deviation"

    @cached_property
    def there(self) -> Tensor:
        """Amounts of the known formulas, (m, elements)."""
        return points(self.known, self.elements)

    def save(
        self, samples: Tensor, path: Path, columns: int | None = None, values: Tensor | None = None
    ) -> None:
        """.csv (`rows`), .png (`show`), .npy or .npz (the amounts).

        Raises:
            InputError: another format.
        """
        write(
            path,
            {
                ".csv": lambda part: write_table(part, [self.header, *self.rows(samples, values)]),
                ".png": lambda part: self.show(samples, part, columns),
                **arrays(samples),
            },
        )

    def rows(self, samples: Tensor, values: Tensor | None = None) -> Iterable[Sequence[str | int]]:
        """A row a sample: reduced formula, numbers of elements and atoms, whether it is known (from
        training, held out, no), whether an earlier row has it, the nearest known formula that is
        another one and its element-mover's distance, `candidates.chemistry`, the critic's value,
        the estimate and its standard deviation."""
        formulas, seen = texts(samples, self.elements), set[str]()
        parts = zip(
            formulas,
            samples,
            self._nearest(samples, formulas),
            chemistry(samples, self.elements),
            [""] * len(samples) if values is None else [f"{v:.4g}" for v in values.tolist()],
            self._estimates(samples),
            strict=True,
        )
        for text, x, (other, distance), cells, value, estimates in parts:
            place = self.number.get(text, -1)
            known = "no" if place < 0 else "training" if place < self.training else "held out"
            again = "yes" if text in seen else "no"
            seen.add(text)
            counts = int((x > 0).sum()), int(x.sum())
            yield text, *counts, known, again, other, f"{distance:.4g}", *cells, value, *estimates

    def _estimates(self, samples: Tensor) -> list[tuple[str, ...]]:
        if self.estimator is None:
            return [()] * len(samples)
        both = zip(*self.estimator(samples), (samples > 0).any(1), strict=True)
        return [(f"{v:.4g}", f"{d:.2g}") if some else ("", "") for v, d, some in both]

    def _nearest(self, samples: Tensor, formulas: Sequence[str]) -> list[tuple[str, float]]:
        """The known formula of least element-mover's distance that is not the same, of each."""
        chart = Cumulative(self.elements)
        known = chart.encode(self.there)
        found = []
        for x, names in zip(samples.split(500), _split(formulas, 500), strict=True):
            distances = torch.cdist(chart.encode(x), known, p=1)
            for row, text in enumerate(names):
                if text in self.number:
                    distances[row, self.number[text]] = torch.inf
            least, place = distances.min(1)
            found += list(zip([self.known[k] for k in place], least.tolist(), strict=True))
        return found

    def show(self, samples: Tensor, path: Path, columns: int | None = None) -> None:
        """The page: samples beside the known formulas (`page.draw`)."""
        draw(samples, self.there, self.elements, path, self.estimator)


def left_out(rows: Sequence[tuple[int, str, str]]) -> dict[str, str]:
    """The file of the rows that could not be used, for the run's folder; nothing if there are none.

    Args:
        rows: line, formula, reason.
    """
    if not rows:
        return {}
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("line", "formula", "reason"), *rows])
    return {"left-out.csv": text.getvalue()}


def pack(formulas: Sequence[str]) -> str:
    """Formulas as text, for JSON."""
    return base64.b64encode(zlib.compress(" ".join(formulas).encode(), 9)).decode()


def unpack(text: str) -> list[str]:
    """What `pack` packed."""
    return zlib.decompress(base64.b64decode(text)).decode().split()


def _split(values: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    return (values[k : k + size] for k in range(0, len(values), size))
