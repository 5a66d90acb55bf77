"""Detectors of what is strange in a graph, in the conventions of PyOD and PyGOD."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy import sparse
from torch import Tensor

from otgan.config import InputError
from otgan.geometry import GraphMetric

Channels = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Explanation:
    """Why one is strange.

    Attributes:
        channel: the one that fired, that is, with the highest percentile.
        percentile: of the fitted graph's nodes or edges that are less strange in this channel, in
            [0, 1].
        percentiles: in every channel.
    """

    channel: str
    percentile: float
    percentiles: Mapping[str, float]

    def __str__(self) -> str:
        rest = ", ".join(f"{k} {v:.1%}" for k, v in self.percentiles.items() if k != self.channel)
        return f"{self.channel}, percentile {self.percentile:.1%}" + f" ({rest})" * bool(rest)


class Detector(ABC):
    """Scores by channels: each channel's values become percentiles, and the score is the largest.

    So channels of any unit and shape count alike, and nothing is weighted by hand.

    Args:
        contamination: expected share of anomalies, in (0, 0.5]; sets the threshold alone.
        steps: of the critic's training.
        seed: of everything random.

    Attributes, after `fit`:
        decision_score_: (n,) in [0, 1], higher = stranger.
        threshold_: labels are 1 above it.
        label_: (n,) 0 or 1.
        channels_: name -> percentiles (n,).

    Raises:
        InputError: a contamination out of range, fewer than one step.
    """

    decision_score_: np.ndarray
    label_: np.ndarray
    threshold_: float
    channels_: Channels

    def __init__(self, contamination: float = 0.1, steps: int = 1000, seed: int = 0):
        if not 0 < contamination <= 0.5:
            raise InputError(
                f"contamination is the expected share of anomalies, above 0 and at most 0.5, got "
                f"{contamination}"
            )
        if steps < 1:
            raise InputError(f"the critic is trained for at least 1 step, got {steps}")
        self.contamination, self.steps, self.seed = contamination, steps, seed

    def fit(self, graph: Any, features: Any = None) -> Self:
        """Learns what is usual in a graph, without labels, and scores it.

        Args:
            graph: edges (m, 2), undirected; a `GraphMetric`; or a torch_geometric Data, whose `x`
                are the features unless others are given.
            features: of the nodes, (nodes, d), dense or SciPy sparse.

        Raises:
            InputError: edges that are none, features that do not match the nodes, hold NaN or are
                all constant.
        """
        metric, x = opened(graph, features)
        self._learn(metric, x)
        raw = self._channels(metric, x)
        self._usual = {name: np.sort(values[~np.isnan(values)]) for name, values in raw.items()}
        self.channels_ = self._percentiles(raw)
        self.decision_score_ = _largest(self.channels_)
        self.threshold_ = float(np.quantile(self.decision_score_, 1 - self.contamination))
        self.label_ = (self.decision_score_ > self.threshold_).astype(int)
        return self

    def decision_function(self, graph: Any, features: Any = None) -> np.ndarray:
        """Scores of another graph by what the fitted one taught, (n,).

        Raises:
            InputError: as `fit`; not fitted; features where it was fitted without, or the reverse.
        """
        self._check_fitted()
        metric, x = opened(graph, features)
        return _largest(self._percentiles(self._channels(metric, x)))

    def predict(self, graph: Any = None, features: Any = None) -> np.ndarray:
        """1 for anomalies and 0 for others, (n,), of the fitted graph or of another.

        Raises:
            InputError: as `decision_function`.
        """
        self._check_fitted()
        if graph is None:
            return self.label_
        return (self.decision_function(graph, features) > self.threshold_).astype(int)

    def explain(self, i: int) -> Explanation:
        """Which channel fired for one of the fitted graph.

        Raises:
            InputError: not fitted, or there is no such number.
        """
        self._check_fitted()
        if not 0 <= i < len(self.decision_score_):
            raise InputError(f"there is no number {i}: 0 to {len(self.decision_score_) - 1} are")
        found = {name: float(values[i]) for name, values in self.channels_.items()}
        channel = max(found, key=lambda name: found[name])
        return Explanation(channel, found[channel], found)

    @abstractmethod
    def _learn(self, metric: GraphMetric, x: Any) -> None:
        """Fits what the channels need."""

    @abstractmethod
    def _channels(self, metric: GraphMetric, x: Any) -> Channels:
        """Values by channel, (n,), higher = stranger, NaN where nothing can be said."""

    def _check_fitted(self) -> None:
        if not hasattr(self, "decision_score_"):
            raise InputError(f"this {type(self).__name__} is not fitted: call fit(graph) first")

    def _percentiles(self, raw: Channels) -> Channels:
        return {name: percentile(values, self._usual[name]) for name, values in raw.items()}


def percentile(values: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """The share of sorted usual values below each, ties counted half, (n,), (m,) -> (n,); NaN gives
    0."""
    below, upto = (np.searchsorted(usual, values, side) for side in ("left", "right"))
    return np.where(np.isnan(values), 0, (below + upto) / 2 / max(len(usual), 1))


def opened(graph: Any, features: Any) -> tuple[GraphMetric, Any]:
    """The graph's metric, and its features in double precision or None.

    Raises:
        InputError: see `Detector.fit`.
    """
    edges, lengths, nodes = graph, None, None
    if hasattr(graph, "edge_index"):
        edges, lengths, nodes = graph.edge_index.T, graph.get("edge_weight"), graph.num_nodes
        features = graph.x if features is None else features
    x = None if features is None else _features(features)
    try:
        if not isinstance(graph, GraphMetric):
            graph = GraphMetric(edges, lengths, nodes or (None if x is None else x.shape[0]))
    except (ValueError, TypeError) as error:
        raise InputError(str(error)) from None
    if x is not None and x.shape[0] != graph.nodes:
        raise InputError(
            f"{x.shape[0]} rows of features for {graph.nodes} nodes: give one row a node"
        )
    return graph, x


def _features(features: Any) -> Any:
    if isinstance(features, Tensor):
        features = features.detach().cpu().numpy()
    x = sparse.csr_array(features) if sparse.issparse(features) else np.asarray(features)
    if x.ndim != 2 or x.shape[1] == 0 or x.dtype.kind not in "biuf":
        raise InputError(f"features are numbers (nodes, d), got {x.dtype} of shape {x.shape}")
    x = x.astype(np.float64)
    values = x.data if sparse.issparse(x) else x
    if not np.isfinite(values).all():
        raise InputError("features hold NaN or infinity: fill them in or drop those columns")
    return x


def _largest(channels: Channels) -> np.ndarray:
    return np.max(list(channels.values()), axis=0)
