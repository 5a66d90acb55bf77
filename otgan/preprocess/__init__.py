"""Charts: invertible maps from the data's own units to the coordinates the networks live in."""

from otgan.preprocess.charts import Chart, Identity, Scaling
from otgan.preprocess.whitening import Method, Whitening

__all__ = ["Chart", "Identity", "Method", "Scaling", "Whitening"]
