"""A W1 one can trust: critics certified by construction, and brackets with a stated confidence."""

from otgan.certify.brackets import Bracket, bracket
from otgan.certify.critics import candidates
from otgan.certify.fitting import contest, fit

__all__ = ["Bracket", "bracket", "candidates", "contest", "fit"]
