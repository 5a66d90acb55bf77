"""Rows of a long measurement, kept in a file as they come."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from otgan.report.files import replacing

Task = TypeVar("Task")


def measured(
    tasks: Iterable[Task], measure: Callable[[Task], Mapping[str, Any]], file: Path | None = None
) -> Iterator[dict[str, Any]]:
    """A row for every task, in order: its fields and what is measured for it.

    Args:
        tasks: dataclasses of JSON values.
        measure: task -> JSON values by name.
        file: JSON list of rows; a task that has its row there is not measured again.
    """
    rows = json.loads(file.read_text()) if file and file.exists() else []
    for task in tasks:
        key = asdict(task)  # type: ignore[call-overload]
        row = next((r for r in rows if all(r.get(k) == v for k, v in key.items())), None)
        if row is None:
            row = {**key, **measure(task)}
            rows.append(row)
            if file:
                with replacing(file) as part:
                    part.write_text(json.dumps(rows, indent=1) + "\n")
        yield row
