"""What graphs have beside the commands of `otgan`, by `python -m otgan_domains.graphs`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg
from tyro.extras import subcommand_cli_from_dict

from otgan.cli import exit_codes
from otgan.config import InputError

Out = Annotated[Path | None, arg(aliases=["-o"])]


def picture(
    run: Positional[Path],
    /,
    out: Out = None,
    n: Annotated[int | None, arg(aliases=["-n"])] = None,
    strange: int = 5,
    seed: int = 0,
) -> None:
    """Draw a run: critic as colour, flow from generated to held-out on edges, strange nodes.

    Args:
        run: Run folder; its data must be where they were.
        out: PNG to write; RUN/overview.png if not given.
        n: Samples; as many as are held out, and at most 1,000, if not given.
        strange: How many of the strangest nodes to mark.
        seed: The same seed gives the same picture.
    """
    from otgan_domains.graphs.overview import overview

    if (n is not None and n < 1) or strange < 0:
        raise InputError(f"-n is at least 1 and --strange at least 0, got {n} and {strange}")
    path = out or run / "overview.png"
    cost = overview(run, path, n, strange, seed)
    print(f"W1 of the flow: {cost:.6g}")
    print(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Exit codes are those of `otgan`."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    with exit_codes():
        subcommand_cli_from_dict(
            COMMANDS,
            prog="python -m otgan_domains.graphs",
            description=__doc__,
            args=argv or ["--help"],
        )


COMMANDS = {"picture": picture}

if __name__ == "__main__":
    main()
