"""What materials have beside the commands of `otgan`, by `python -m otgan_domains.materials`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from otgan.cli import run as command
from otgan.config import InputError


def walk(
    run: Positional[Path],
    start: Positional[str],
    end: Positional[str],
    /,
    out: Annotated[Path | None, arg(aliases=["-o"])] = None,
    points: int = 201,
) -> None:
    """Draw a walk between two formulas in a run's chart, and list the formulas met on the way.

    Args:
        run: Run folder.
        start: Formula to start at.
        end: Formula to end at.
        out: PNG to write; RUN/walk.png if not given.
        points: Of the straight way that are looked at, ends included.
    """
    from otgan.model import Model
    from otgan_domains.materials.walks import draw, table
    from otgan_domains.materials.walks import walk as between

    path = out or run / "walk.png"
    if path.suffix != ".png":
        raise InputError(f"cannot write '{path.name}': a walk is a picture, .png")
    if points < 2:
        raise InputError(f"--points is at least 2, the ends, got {points}")
    model = Model.load(run)
    if model.spec["domain"].rpartition(":")[2] != "materials":
        raise InputError(f"'{run}' is a run of '{model.spec['domain']}', not of 'materials'")
    steps = between(model.domain, start, end, points)
    draw(model.domain, steps, path)
    print(table(steps))
    print(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Exit codes are those of `otgan`."""
    command(COMMANDS, "python -m otgan_domains.materials", __doc__, arguments)


COMMANDS: dict[str, Callable[..., None]] = {"walk": walk}

if __name__ == "__main__":
    main()
