"""What a detector found, beside the simple scores that it has to beat."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score, roc_auc_score

from otgan.config import InputError
from otgan.geometry import GraphMetric
from otgan.report.files import replacing
from otgan_domains.graphs.anomalies import EdgeDetector, NodeDetector
from otgan_domains.graphs.detectors import opened
from otgan_domains.graphs.simple_scores import simple_edge_scores, simple_node_scores

Scores = Mapping[str, np.ndarray]


def accuracy(scores: Scores, labels: np.ndarray) -> dict[str, dict[str, float]]:
    """ROC AUC and average precision of each score; 'auc 1', 'auc 2', ... are of one kind of
    anomaly against what is usual, where the labels are bits (1 contextual, 2 structural, 3 both).

    Raises:
        InputError: labels that do not match, or are all alike.
    """
    labels = np.asarray(labels).astype(int)
    if any(labels.shape != values.shape for values in scores.values()) or (labels < 0).any():
        sizes = sorted({len(values) for values in scores.values()})
        raise InputError(f"labels are 0 or positive, one for each of {sizes}, got {labels.shape}")
    if not 0 < (labels > 0).sum() < len(labels):
        raise InputError(f"labels have {(labels > 0).sum()} anomalies of {len(labels)}: need some")
    kinds = [1 << k for k in range(int(labels.max()).bit_length())]
    found = {}
    for name, values in scores.items():
        row = {"auc": roc_auc_score(labels > 0, values)}
        for kind in kinds if len(kinds) > 1 else []:
            seen = (labels == 0) | (labels & kind > 0)
            row[f"auc {kind}"] = roc_auc_score(labels[seen] > 0, values[seen])
        found[name] = {**row, "ap": average_precision_score(labels > 0, values)}
    return found


def show(
    detector: NodeDetector | EdgeDetector,
    graph: Any,
    features: Any = None,
    labels: Any = None,
    top: int = 10,
) -> None:
    """Prints the strangest nodes or edges, which channel fired, and the percentiles of the simple
    scores beside; with labels, the ROC AUC and average precision of all of them.

    Args:
        detector: fitted to this graph and features.
        labels: (n,), 0 for what is usual; bits as in `accuracy`.
        top: how many to list.

    Raises:
        InputError: another graph than the detector's, or as `accuracy`.
    """
    edges = isinstance(detector, EdgeDetector)
    simple = (simple_edge_scores if edges else simple_node_scores)(graph, features)
    n, scored = len(simple["degree" if not edges else "length"]), len(detector.decision_score_)
    if n != scored:
        raise InputError(
            f"the detector was fitted to {scored} and this graph has {n}: fit it again"
        )
    console, metric = Console(), opened(graph, features)[0]
    console.print(_strangest(detector, metric, simple, top))
    if labels is not None:
        scores = {"otgan": detector.decision_score_, **detector.channels_, **simple}
        console.print(_accuracies(accuracy(scores, labels)))


def write(
    detector: NodeDetector | EdgeDetector, graph: GraphMetric, features: Any, path: Path
) -> None:
    """A CSV file, a row a node or edge, strangest first: its name or its two ends, score, rank, the
    channel that fired, whether it is above the threshold, percentiles in every channel, and the
    simple scores in their own units.

    Args:
        detector: fitted to this graph and features.
    """
    edges = isinstance(detector, EdgeDetector)
    simple = (simple_edge_scores if edges else simple_node_scores)(graph, features)
    ends = (
        detector.edges_ if isinstance(detector, EdgeDetector) else np.arange(graph.nodes)[:, None]
    )
    score = detector.decision_score_
    columns = [*detector.channels_.values(), *simple.values()]
    with replacing(path) as part, part.open("w", newline="") as file:
        table = csv.writer(file)
        who = ("source", "target") if edges else ("node",)
        table.writerow([*who, "score", "rank", "fired", "strange", *detector.channels_, *simple])
        for rank, i in enumerate(np.argsort(-score, kind="stable").tolist(), 1):
            names = [graph.names[v] for v in ends[i].tolist()]
            told = [f"{score[i]:.6g}", rank, detector.explain(i).channel, int(detector.label_[i])]
            table.writerow([*names, *told, *(f"{values[i] + 0.0:.6g}" for values in columns)])


def _strangest(
    detector: NodeDetector | EdgeDetector, metric: GraphMetric, simple: Scores, top: int
) -> Table:
    edges = isinstance(detector, EdgeDetector)
    table = Table(
        "edge" if edges else "node",
        "score",
        "fired",
        *detector.channels_,
        *simple,
        title="Strangest, with percentiles of every channel and of the simple scores",
        title_justify="left",
    )
    percentiles = {name: rankdata(values) / len(values) for name, values in simple.items()}
    for i in np.argsort(-detector.decision_score_, kind="stable")[:top].tolist():
        ends = detector.edges_[i].tolist() if isinstance(detector, EdgeDetector) else [i]
        beside = [*detector.channels_.values(), *percentiles.values()]
        table.add_row(
            " - ".join(str(metric.names[node]) for node in ends),
            f"{detector.decision_score_[i]:.4f}",
            detector.explain(i).channel,
            *(f"{values[i]:.1%}" for values in beside),
        )
    return table


def _accuracies(rows: Mapping[str, Mapping[str, float]]) -> Table:
    columns = list(next(iter(rows.values())))
    table = Table("score", *columns, title="ROC AUC and average precision", title_justify="left")
    for name, row in rows.items():
        table.add_row(name, *(f"{value:.3f}" for value in row.values()))
    return table
