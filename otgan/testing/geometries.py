"""Every law of a ground cost, run together."""

from __future__ import annotations

from torch import Tensor

from otgan.geometry import Geometry, MetricSpace, NormedSpace
from otgan.testing import distances, norms, slopes
from otgan.testing.laws import Law


def check_geometry(geometry: Geometry, points: Tensor, seed: int = 0) -> list[str]:
    """Holds a geometry to every law that applies to it.

    Laws about gradients need floating points, those about norms a `NormedSpace`. In double
    precision they are checked to about 8 digits, in single precision to about 4.

    Args:
        points: a sample of the space, (n, *E), at least 3; the first 24 are used.
        seed: of the functions and directions tried, and of the slopes' own randomness.

    Returns:
        The names of the laws checked.

    Raises:
        AssertionError: a law is broken, named with the value and its tolerance.
        ValueError: fewer than 3 points; or the geometry says that it is no metric
            (`metric = False`), and keeps every other law.

    Example:
        >>> import torch
        >>> from otgan.geometry import Lp
        >>> "triangle_inequality" in check_geometry(Lp(1), torch.randn(10, 3))
        True
    """
    laws = geometry_laws(geometry, points)
    for law in laws:
        law(geometry, points, seed)
    if not geometry.metric:
        raise ValueError(
            f"{geometry!r} is no metric and says so (metric = False): W1 under it has no critic, "
            "so compare samples with otgan.transport alone; it keeps all other laws"
        )
    return [law.name for law in laws]


def geometry_laws(geometry: Geometry, points: Tensor) -> list[Law]:
    """The laws that apply to a geometry and points of it, (n, *E), in the order to check them.

    Raises:
        ValueError: fewer than 3 points.
    """
    if len(points) < 3:
        raise ValueError(f"laws about triples need 3 points or more, got {len(points)}")
    traits = {
        "float": points.is_floating_point(),
        "metric": geometry.metric,
        "norm": isinstance(geometry, NormedSpace),
        "translation invariant": geometry.translation_invariant,
        "pairs": isinstance(geometry, MetricSpace | NormedSpace),
    }
    laws = [*distances.LAWS, *slopes.LAWS, *norms.LAWS]
    return [law for law in laws if all(traits[trait] for trait in law.needs)]
