"""Metrics of molecules that DiGress made, beside the figures stated for them.

    python benchmarks/molecule_metrics.py qm9 --samples FILE --data FILE [--seed 0] [--json FILE]
    python benchmarks/molecule_metrics.py moses --samples FILE [--json FILE]

FILE are SMILES, one a line, perhaps gzipped and with a header; None stands for what is no molecule.

- qm9: samples of DiGress (Vignac et al. 2023), final_smiles_qm9_noH.txt of its repository, against
  10,000 random molecules of QM9, novel to all of it. The floor is one half of those against the
  other; FCD of 10,000 others is that of other random molecules of QM9 against all of them.
- moses: its generated_smiles_moses.txt, without MOSES's test set: what needs no reference.
"""

import argparse
import gzip
import json
import math
import time
from pathlib import Path

import numpy as np
from otgan_domains.molecules.collection import Molecules
from otgan_domains.molecules.scoring import counted, filtered, show, table
from otgan_domains.molecules.similarity import chemnet_distance, diversity

STATED = {
    "qm9": {
        "valid": 0.9921,
        "unique@10k": 0.9688,
        "novel to data": 0.256,
        "FCD": 0.327,
        "FCD of 10,000 others": 0.07,
        "IntDiv": 0.918,
    },
    "moses": {"valid": 0.857, "unique@10k": 1.0},
}


def lines(path):
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt") as file:
        found = [line.strip().split(",")[0] for line in file]
    found = found[1:] if found[0] == "smiles" else found
    return [None if line == "None" else line for line in found]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("of", choices=STATED)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    made, start = lines(options.samples), time.time()
    if options.of == "qm9":
        data = lines(options.data)
        some = np.random.default_rng(options.seed).choice(len(data), (2, 10_000), replace=False)
        real, others = ([data[i] for i in part] for part in some)
        scored = table(made, real, {"data": data}, options.seed)
        apart = chemnet_distance(Molecules.read(others), Molecules.read(real))
        scored["FCD of 10,000 others"] = {"value": apart, "floor": math.nan}
    else:
        sample = Molecules.read(made)
        found = counted(sample, {}) | filtered(sample)
        found |= {f"IntDiv{p}": diversity(sample, p) for p in (1, 2)}
        scored = {name: {"value": value, "floor": math.nan} for name, value in found.items()}
    show(scored, f"{options.of}: {len(made)} samples, {time.time() - start:.0f} s")
    for name, stated in STATED[options.of].items():
        print(f"{name}: {scored[name]['value']:.4f}, stated {stated}")
    if options.json:
        options.json.write_text(json.dumps(scored, indent=1) + "\n")


if __name__ == "__main__":
    main()
