"""Generated molecules to files and pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from rdkit import Chem
from rdkit.Chem import Draw, rdDepictor
from torch import Tensor

from otgan.report.files import arrays, replacing, write, write_table
from otgan_domains.molecules.flags import Flagged, flag
from otgan_domains.molecules.known import Known
from otgan_domains.molecules.parsing import PROPERTIES
from otgan_domains.molecules.spread import draw
from otgan_domains.molecules.vocabulary import Vocabulary

DRAWN = 64
"""Molecules of a picture, at most."""

SIDE = 170
"""Pixels of one."""


class Saver:
    """Writes packed molecules (n, N, N + 1), as they are.

    Args:
        known: molecules of the training data.
        data: its histograms of properties, by name.
    """

    def __init__(self, vocabulary: Vocabulary, known: Known, data: Mapping[str, Any]):
        self.vocabulary, self.known, self.data = vocabulary, known, data

    def save(self, samples: Tensor, path: Path, columns: int | None = None) -> None:
        """.smi (valid ones, each with its flags), .csv (all of them, with properties), .sdf (valid
        ones), .png (`show`), .npy or .npz (the packed form).

        Raises:
            InputError: another format.
        """
        flagged = partial(self._flagged, samples)
        write(
            path,
            {
                ".smi": lambda part: self._lines(flagged(), part),
                ".csv": lambda part: write_table(part, self._table(flagged())),
                ".sdf": lambda part: self._blocks(flagged(), part),
                ".png": lambda part: self.show(samples, part, columns),
                **arrays(samples),
            },
        )

    def show(self, samples: Tensor, path: Path, columns: int | None = None) -> None:
        """The first molecules, each with its flags, and histograms of all valid ones."""
        flagged = self._flagged(samples)
        picture = _grid(flagged, min(columns or 8, DRAWN))
        if self.data:
            picture = _below(picture, self._histograms(flagged, picture.width))
        with replacing(path) as part:
            picture.save(part)

    def _flagged(self, samples: Tensor) -> Flagged:
        return flag(samples, self.vocabulary, self.known)

    def _lines(self, flagged: Flagged, path: Path) -> None:
        lines = [f"{one}\t{flagged.words(k)}\n" for k, one in enumerate(flagged.smiles) if one]
        path.write_text("".join(lines))

    def _table(self, flagged: Flagged) -> Iterator[Sequence[object]]:
        yield "smiles", "valid", "one_fragment", "repeated", "training", *self.data
        for k, mol in enumerate(flagged.mols):
            said = (flagged.valid, flagged.whole, flagged.repeated, flagged.training)
            values = [f"{PROPERTIES[name](mol):.6g}" if mol else "" for name in self.data]
            yield flagged.smiles[k], *(int(these[k]) for these in said), *values

    def _blocks(self, flagged: Flagged, path: Path) -> None:
        """With coordinates in the plane, flags and properties."""
        with path.open("w") as file:
            writer = Chem.SDWriter(file)
            for k, mol in enumerate(flagged.mols):
                if mol is not None:
                    mol = Chem.Mol(mol)
                    rdDepictor.Compute2DCoords(mol)
                    mol.SetProp("smiles", str(flagged.smiles[k]))
                    mol.SetProp("flags", flagged.words(k))
                    for name in self.data:
                        mol.SetProp(name, f"{PROPERTIES[name](mol):.6g}")
                    writer.write(mol)
            writer.close()

    def _histograms(self, flagged: Flagged, width: int) -> Image.Image:
        from matplotlib.figure import Figure

        figure = Figure((width / 100, 2), dpi=100, layout="constrained")
        mols = [mol for mol in flagged.mols if mol is not None]
        for axes, name in zip(
            figure.subplots(1, len(self.data), squeeze=False)[0], self.data, strict=True
        ):
            draw(axes, name, self.data[name], mols)
        figure.axes[0].legend(fontsize=8)
        figure.suptitle(f"{len(mols)} of {len(flagged.mols)} valid", fontsize=9)
        buffer = io.BytesIO()
        figure.savefig(buffer)
        return Image.open(buffer)


def _grid(flagged: Flagged, columns: int) -> Image.Image:
    words = [flagged.words(k) for k in range(min(len(flagged.mols), DRAWN))]
    picture = Draw.MolsToGridImage(
        [mol or Chem.Mol() for mol in flagged.mols[: len(words)]],
        molsPerRow=columns,
        subImgSize=(SIDE, SIDE),
        legends=["" if said == "new" else said for said in words],
        drawMolsSameScale=False,
        fixedBondLength=24,
        legendFontSize=14,
    ).convert("RGB")
    pen = ImageDraw.Draw(picture)
    for k, said in enumerate(words):
        if said == "invalid":  # RDKit leaves the cell of an empty molecule empty
            centre = ((k % columns + 0.5) * SIDE, (k // columns + 0.5) * SIDE)
            pen.text(centre, said, fill="grey", anchor="mm", font_size=14)
    return picture


def _below(upper: Image.Image, lower: Image.Image) -> Image.Image:
    both = Image.new("RGB", (max(upper.width, lower.width), upper.height + lower.height), "white")
    both.paste(upper, (0, 0))
    both.paste(lower, (0, upper.height))
    return both
