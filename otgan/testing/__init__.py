"""Laws that a plug-in of anybody's can be held to, all at once or one by one; needs no pytest.

check_geometry(MyMetric(), points)              # AssertionError names the first law it breaks

@pytest.mark.parametrize("law", geometry_laws(MyMetric(), points), ids=str)
def test_my_metric(law):
    law(MyMetric(), points)
"""

from otgan.testing.geometries import check_geometry, geometry_laws
from otgan.testing.laws import Law

__all__ = ["Law", "check_geometry", "geometry_laws"]
