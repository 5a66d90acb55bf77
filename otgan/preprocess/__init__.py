"""Charts: invertible maps from the data's own units to the coordinates the networks live in."""

from otgan.preprocess.charts import Chart, Identity, Scaling
from otgan.preprocess.encoding import Encoding
from otgan.preprocess.language import Language, Sequences
from otgan.preprocess.whitening import Method, Whitening

__all__ = [
    "Chart",
    "Encoding",
    "Identity",
    "Language",
    "Method",
    "Scaling",
    "Sequences",
    "Whitening",
]
