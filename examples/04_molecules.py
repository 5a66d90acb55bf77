"""New small molecules, learned from those that come with RDKit, and some of them asked for by logP.

    python examples/04_molecules.py

An autoencoder learns to write the molecules of up to 9 atoms of the NCI set (a minute would make
it better), a WGAN learns where in its coordinates they lie, and 64 new ones go to .smi and .png.
"""

from pathlib import Path

from otgan_domains.molecules import molecules
from otgan_domains.molecules.packing import spell
from otgan_domains.molecules.vocabulary import Vocabulary

import otgan


def main(
    steps: int = 200, chart_steps: int = 300, n: int = 64, out: Path = Path(".")
) -> dict[str, float]:
    """Returns the shares of samples that are valid, new, ..."""
    domain = molecules("nci", largest=9)
    model = otgan.fit(
        domain=domain,
        steps=steps,
        chart_steps=chart_steps,
        batch_size=64,
        condition=("logp",),
        network={"width": 128},
        quiet=True,
    )
    x = model.sample(n, seed=0)
    shares = {name: share(x).double().mean().item() for name, share in domain.shares.items()}
    for name, value in shares.items():
        print(f"{name:32} {value:.2f}")
    vocabulary = Vocabulary.restore(domain.state["vocabulary"])
    for logp in (0, 2):
        print(
            f"asked for logP {logp}:",
            *spell(model.sample(4, seed=0, condition=str(logp)), vocabulary),
        )
    domain.save(x, out / "molecules.smi", None)
    domain.save(x, out / "molecules.png", None)
    return shares


if __name__ == "__main__":
    main()
