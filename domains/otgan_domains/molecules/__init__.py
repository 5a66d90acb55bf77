"""Molecules as packed graphs of atoms and bonds."""
