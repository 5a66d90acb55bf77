"""Distances between samples and measures under a ground cost."""

from otgan.transport.samples import exact

__all__ = ["exact"]
