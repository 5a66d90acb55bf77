"""Rows parsed in processes of their own, each of which may die of a molecule."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from otgan.config import InputError
from otgan_domains.molecules import parsing
from otgan_domains.molecules.reading import Rows

CHUNK = 5000
"""Rows that one process reads, at most."""

SECONDS = 10.0
"""Time for one molecule."""


def parsed(rows: Rows, properties: Sequence[str]) -> Iterator[list[Any]]:
    """What `parsing.parse` gives for each row, or why it gives nothing, a chunk of rows at a time,
    with a progress bar on stderr.

    Raises:
        InputError: RDKit cannot be started.
    """
    workers = _cores()
    size = min(CHUNK, -(-len(rows.texts) // workers))
    chunks = (rows.texts[k : k + size] for k in range(0, len(rows.texts), size))
    console = Console(stderr=True)
    columns = (TextColumn("molecules"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    arguments = [str(SECONDS), rows.kind, *properties]
    with bar, ThreadPoolExecutor(workers) as pool:
        task = bar.add_task("", total=len(rows.texts))
        yield from pool.map(lambda c: _chunk(c, arguments, lambda: bar.advance(task)), chunks)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _chunk(texts: Sequence[str], arguments: Sequence[str], tell: Callable[[], None]) -> list[Any]:
    """Of a row of which the process dies, this is what comes; the next starts another process."""
    results: list[Any] = []
    while len(results) < len(texts):
        for result in _process(texts[len(results) :], arguments):
            results.append(result)
            tell()
        if len(results) < len(texts):
            results.append(f"crashes RDKit, or takes it more than {SECONDS:g} s")
            tell()
    return results


def _process(texts: Sequence[str], arguments: Sequence[str]) -> Iterator[Any]:
    """The results of rows until the process ends."""
    command = [sys.executable, "-P", str(Path(parsing.__file__)), *arguments]
    with tempfile.TemporaryFile("w+") as file, tempfile.TemporaryFile("w+") as errors:
        file.writelines(json.dumps(text) + "\n" for text in texts)
        file.seek(0)
        with subprocess.Popen(
            command, stdin=file, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise InputError(f"RDKit cannot be started: {_last_line(errors)}")
            for line in process.stdout:
                if line.endswith("\n"):  # else it died while it wrote
                    yield json.loads(line)


def _last_line(file: IO[str]) -> str:
    file.seek(0)
    return file.read().strip().rpartition("\n")[2] or "it says nothing"
