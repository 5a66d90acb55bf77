"""New characters for Les Miserables: nodes that join a graph with links as its own nodes have.

    python examples/03_new_nodes.py

Trains on who meets whom in the novel (77 characters, a tenth of them hidden), lets ten new ones
join and writes the grown graph as .graphml and as a picture.
"""

from pathlib import Path

import otgan
from otgan.domain import load


def main(steps: int = 200, n: int = 10, out: Path = Path(".")) -> dict[str, tuple[float, float]]:
    """Returns the means of each statistic: of the new nodes, and of those that were there."""
    domain = load("graphs", {"data": "les-miserables", "learn": "nodes"})
    model = otgan.fit(domain=domain, steps=steps, batch_size=32, quiet=True)
    new, there = model.sample(n, seed=0), domain.train.points()

    means = {}
    for name, statistic in domain.features.items():
        means[name] = statistic(new).mean().item(), statistic(there).mean().item()
        print(f"{name:18} new {means[name][0]:6.2f}   there {means[name][1]:6.2f}")
    domain.save(new, out / "grown.graphml", None)
    domain.save(new, out / "grown.png", None)
    return means


if __name__ == "__main__":
    main()
