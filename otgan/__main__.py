"""python -m otgan: the command, where its script is not on the path."""

from otgan.cli import main

main()
