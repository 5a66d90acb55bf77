"""Molecules per second of processor time: otgan's parsing beside RDKit's alone.

    python benchmarks/molecule_parsing.py [nci|FILE ...]

Seconds are those that processes have computed, all of them together and with their start, so other
work on the machine counts little, and k free cores need a k-th of them. RDKit alone is
MolFromSmiles in one process. otgan packs each molecule and checks that it comes back (two more
molecules and two canonical SMILES), with and without the default properties.
"""

import os
import sys

from otgan_domains.molecules.dataset import ALWAYS
from otgan_domains.molecules.processes import parsed
from otgan_domains.molecules.reading import read
from rdkit import Chem, rdBase


def seconds() -> float:
    """Of this process and of its children that have ended, user and system."""
    return sum(os.times()[:4])


def report(data: str) -> None:
    rows = read(data)
    n = len(rows.texts)
    start = seconds()
    for text in rows.texts:
        Chem.MolFromSmiles(text)
    alone = n / (seconds() - start)
    print(f"{data}, {n} rows: RDKit alone {alone:.0f} molecules a second")
    for what, names in (("packed", ()), ("packed, with properties", ALWAYS)):
        start = seconds()
        for _ in parsed(rows, names):
            pass
        found = n / (seconds() - start)
        print(f"  {what}: {found:.0f}, RDKit alone is {alone / found:.1f} times as fast")


if __name__ == "__main__":
    rdBase.DisableLog("rdApp.*")
    for data in sys.argv[1:] or ["nci"]:
        report(data)
