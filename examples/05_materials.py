"""New compositions: formulas that pymatgen's own few hundred crystals suggest.

    python examples/05_materials.py

Learns a chart of 189 formulas and plays for new ones in it; writes 100 that are neutral, balanced
and not among those it knows, each beside the nearest known one, and a page that shows what is
generated beside what is real. So few formulas make poor chemistry: `otgan train materials --data
formulas.csv` takes a table of your own (docs/materials.md).
"""

from pathlib import Path

from otgan_domains.materials import materials

import otgan


def main(
    steps: int = 300, chart_steps: int = 400, n: int = 100, out: Path = Path(".")
) -> dict[str, float]:
    """Returns the share of samples that are neutral, and the like."""
    domain = materials()
    settings = {"steps": steps, "chart_steps": chart_steps, "batch_size": 64}
    model = otgan.fit(domain=domain, quiet=True, **settings)
    samples = model.sample(500, seed=0)
    shares = {name: f(samples).double().mean().item() for name, f in domain.shares.items()}
    for name, share in shares.items():
        print(f"{name:42} {share:4.0%}")
    domain.save(model.sample(n, seed=0, keep="new, valid"), out / "new-materials.csv", None)
    domain.show(samples, out / "new-materials.png", None)
    return shares


if __name__ == "__main__":
    main()
