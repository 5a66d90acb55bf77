"""The wheel holds what an install needs."""

import subprocess
import sys
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A fresh folder with the wheel in it, built from the tree, without dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("otgan-*.whl")
    target = folder / "site"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--quiet",
        "--target",
        target,
        wheel,
    ]
    subprocess.run(pip, check=True, capture_output=True)
    return wheel, target


def run(target, code):
    """Python code that sees the fresh folder before anything else, and not this tree."""
    code = f"import sys; sys.path.insert(0, {str(target)!r}); {code}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=target
    )
    return done.stdout.split()


@pytest.mark.slow
def test_both_packages_and_an_entry_point_come_from_the_wheel(installed):
    _, target = installed
    found = run(
        target,
        "import otgan, otgan_domains; from importlib.metadata import distributions; "
        f"(d,) = [d for d in distributions(path=[{str(target)!r}]) if d.name == 'otgan']; "
        "(p,) = d.entry_points.select(group='otgan.domains', name='images'); "
        "print(otgan.__file__, otgan_domains.__file__, p.load().__module__, otgan.__version__, "
        "d.version)",
    )
    assert found[0].startswith(str(target))
    assert found[1].startswith(str(target))
    assert found[2] == "otgan_domains.images"
    assert found[3] == found[4]


@pytest.mark.slow
def test_the_wheel_holds_the_two_packages_and_nothing_else(installed):
    names = zipfile.ZipFile(installed[0]).namelist()
    tops = {n.partition("/")[0] for n in names}
    assert {t for t in tops if not t.endswith(".dist-info")} == {"otgan", "otgan_domains"}
    assert {"otgan/py.typed", "otgan_domains/py.typed"} <= set(names)
    assert any(n.endswith("licenses/LICENSE") for n in names)


def test_the_command_and_the_domains_are_registered():
    (command,) = entry_points(group="console_scripts", name="otgan")
    assert command.value == "otgan.cli:main"
    assert "images" in entry_points(group="otgan.domains").names


def test_the_engine_knows_no_domain():
    for path in (ROOT / "otgan").rglob("*.py"):
        assert "otgan_domains" not in path.read_text(), path
