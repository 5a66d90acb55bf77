"""Wrong input gives exit code 2, one line on stderr that says what to do, and no file at all."""

import json
import shutil
import struct
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from conftest import PIXELS, QUICK
from PIL import Image

from otgan.cli import main
from otgan.runs import FORMAT


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of two steps."""
    folder = tmp_path_factory.mktemp("finished")
    np.save(folder / "data.npy", PIXELS)
    main(["train", "images", "--data", f"{folder}/data.npy", *QUICK, "--out", f"{folder}/run"])
    return folder / "run"


@pytest.fixture
def run(finished, here):
    """A copy of it to damage."""
    return shutil.copytree(finished, here / "run")


def tree(folder):
    return {p: p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.fixture
def refused(here, capsys):
    """Runs a command that must be refused without a trace, and returns the line it says."""

    def refuse(*argv, code=2):
        before = tree(here)
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            main([str(a) for a in argv])
        out, err = capsys.readouterr()
        assert exit.value.code == code
        assert err.startswith("otgan: ") and err.count("\n") == 1 and err.endswith("\n"), err
        assert not out
        assert tree(here) == before
        return err

    return refuse


def folder(path, *pictures, ending="png"):
    path.mkdir(parents=True)
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(path / f"{i}.{ending}")
    return path


def no_path(here):
    return "nowhere"


def empty_folder(here):
    (here / "data").mkdir()
    return "data"


def no_pictures(here):
    (here / "data").mkdir()
    (here / "data" / "notes.txt").write_text("nothing to see")
    return "data"


def unreadable_kind(here):
    (here / "data.mat").write_bytes(b"MATLAB")
    return "data.mat"


def broken(ending):
    def make(here):
        folder(here / "data", *PIXELS[:9], ending=ending)
        (here / "data" / f"4.{ending}").write_bytes(b"no picture at all")
        return "data"

    return make


def truncated(ending):
    def make(here):
        big = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
        folder(here / "data", *[big] * 9, ending=ending)
        file = here / "data" / f"4.{ending}"
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        return "data"

    return make


def mixed_sizes(here):
    return folder(here / "data", *PIXELS[:9], PIXELS[0, :, :6]).name


def mixed_modes(here):
    return folder(here / "data", *PIXELS[:9], PIXELS[:8, :, :3].copy()).name


def loose_image(here):
    folder(here / "data" / "cats", *PIXELS[:9])
    folder(here / "data" / "dogs", *PIXELS[:9])
    Image.fromarray(PIXELS[0]).save(here / "data" / "loose.png")
    return "data"


def array(values):
    def make(here):
        np.save(here / "data.npy", values)
        return "data.npy"

    return make


def with_value(value):
    values = PIXELS / 255
    values[3, 2, 1] = value
    return array(values)


def archive(**arrays):
    def make(here):
        np.savez(here / "data.npz", **arrays)
        return "data.npz"

    return make


def cut(make, keep):
    def damaged(here):
        name = make(here)
        (here / name).write_bytes((here / name).read_bytes()[:keep])
        return name

    return damaged


def mnist(labels):
    def make(here):
        (here / "data").mkdir()
        for kind, values in (("images-idx3", PIXELS), ("labels-idx1", np.arange(labels))):
            sizes = struct.pack(f">{values.ndim}I", *values.shape)
            content = b"\0\0\x08" + bytes([values.ndim]) + sizes + values.astype("u1").tobytes()
            (here / "data" / f"train-{kind}-ubyte").write_bytes(content)
        return "data"

    return make


def idx(content):
    def make(here):
        (here / "data.idx").write_bytes(content)
        return "data.idx"

    return make


def parquet(content):
    def make(here):
        pytest.importorskip("datasets")
        if isinstance(content, bytes):
            (here / "data.parquet").write_bytes(content)
        else:
            pa = pytest.importorskip("pyarrow")
            write = pytest.importorskip("pyarrow.parquet").write_table
            write(pa.table(content), here / "data.parquet")
        return "data.parquet"

    return make


DATA = {
    "missing path": (no_path, "no such data: 'nowhere'"),
    "empty folder": (empty_folder, "no images in 'data'"),
    "folder without pictures": (no_pictures, "no images in 'data'"),
    "unknown kind of file": (unreadable_kind, "cannot read 'data.mat'"),
    "broken png": (broken("png"), "broken image 'data/4.png'"),
    "broken jpeg": (broken("jpg"), "broken image 'data/4.jpg'"),
    "truncated png": (truncated("png"), "broken image 'data/4.png'"),
    "truncated jpeg": (truncated("jpg"), "broken image 'data/4.jpg'"),
    "mixed sizes": (mixed_sizes, "'data/9.png' is 8x6 with 1 channel: give --size"),
    "mixed modes": (mixed_modes, "'data/9.png' is 8x8 with 3 channels: give"),
    "loose image": (loose_image, "'data/loose.png' lies beside class subfolders"),
    "nan": (with_value(np.nan), "1 of 2560 values are NaN or infinite"),
    "infinite": (with_value(np.inf), "1 of 2560 values are NaN or infinite"),
    "above one": (with_value(1.5), "outside 0 to 1: give --value-range"),
    "below zero": (with_value(-1.0), "outside 0 to 1: give --value-range"),
    "integers above 255": (array(PIXELS.astype(int) * 2), "outside 0 to 255: give --value-range"),
    "text": (array(np.full((40, 8, 8), "a")), "are not numbers"),
    "complex": (array(np.zeros((40, 8, 8), complex)), "are not numbers"),
    "pickles": (array(np.array([{}] * 4, object)), "cannot read 'data.npy'"),
    "vectors": (array(PIXELS[0]), "images must be (n, h, w)"),
    "many channels": (array(PIXELS[..., None].repeat(7, 3)), "images have 1 to 4 channels"),
    "no images": (array(PIXELS[:0]), "images must be (n, h, w)"),
    "one image": (array(PIXELS[:1]), "1 sample is not enough"),
    "truncated npy": (cut(array(PIXELS), 500), "cannot read 'data.npy'"),
    "truncated npz": (cut(archive(x=PIXELS), 500), "cannot read 'data.npz'"),
    "npz without images": (archive(a=PIXELS, b=PIXELS), "name the images x"),
    "npz with labels missing": (archive(x=PIXELS, y=np.zeros(39)), "do not match"),
    "npz with strange test label": (
        archive(x=PIXELS, y=np.zeros(40, int), x_test=PIXELS, y_test=np.ones(40, int)),
        "test label '1'",
    ),
    "idx with labels missing": (mnist(39), "do not match"),
    "idx that is none": (idx(b"hello, world"), "not an IDX file"),
    "idx without values": (idx(b"\0\0\x08\x03" + bytes(4)), "ends within its header"),
    "idx cut short": (idx(b"\0\0\x08\x01" + bytes([0, 0, 0, 9, 1, 1])), "broken"),
    "parquet that is none": (parquet(b"hello"), "cannot read 'data.parquet'"),
    "parquet without images": (parquet({"a": [1, 2]}), "name the pictures 'image'"),
    "parquet with a hole": (parquet({"image": [None, None]}), "broken image 'data.parquet, row 0'"),
    "parquet with noise": (parquet({"image": [{"bytes": b"?"}] * 4}), "row 0"),
    "parquet with ragged rows": (parquet({"image": [[[1], [1, 2]]] * 4}), "row 0"),
}


@pytest.mark.parametrize(("make", "says"), DATA.values(), ids=DATA)
def test_bad_data_are_refused(here, refused, make, says):
    assert says in refused("train", "images", "--data", make(here), *QUICK, "--out", "out")


def test_hub_data_that_do_not_load_are_refused(refused, monkeypatch):
    datasets = pytest.importorskip("datasets")

    def fail(name):
        raise ConnectionError("offline\nreally")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    said = refused("train", "images", "--data", "hf:some/thing", *QUICK, "--out", "out")
    assert "cannot load 'some/thing' from the hub: offline really" in said


SETTINGS = {
    "batch above data": (["--batch-size", "1401"], "lower --batch-size to 1400 or less"),
    "no batch": (["--batch-size", "0"], "--batch-size 0"),
    "unknown preset": (["--preset", "wgan-gpp"], "unknown preset 'wgan-gpp': did you mean"),
    "unknown network": (["--network.name", "dcgam"], "unknown network 'dcgam': did you mean"),
    "steps and minutes": (["--minutes", "1"], "give one of them"),
    "no size": (["--size", "0", "8"], "--size is HEIGHT WIDTH"),
    "small for dcgan": (["--size", "7", "8"], "use the network 'mlp'"),
    "whitening": (["--chart", "whitening"], "columns (0, 0, 0), (0, 4, 0), (0, 4, 7) of"),
    "held out": (["--data", "data.npy", "--held-out", "1"], "share between 0 and 1, got 1.0"),
    "value range": (["--data", "data.npy", "--value-range", "1", "0"], "LOW below HIGH"),
    "channels": (["--channels", "2"], "--channels is 1 or 3"),
    "exponent": (["--p", "0.5"], "at least 1, got 0.5"),
    "decay": (["--decay", "2"], "--decay 2.0"),
    "accelerator": (["--accelerator", "abacus"], "--accelerator abacus"),
    "devices": (["--devices", "64", "--accelerator", "cpu"], "more processes than the"),
    "strategy": (["--strategy", "wishful"], "--strategy wishful"),
    "batch norm under a penalty": (["--network.critic-norm", "batch"], "batch normalisation"),
}


@pytest.mark.parametrize(("flags", "says"), SETTINGS.values(), ids=SETTINGS)
def test_bad_settings_are_refused(here, refused, flags, says):
    np.save(here / "data.npy", PIXELS)
    quick = [q for q in QUICK if "--batch-size" not in flags or q not in ("--batch-size", "8")]
    assert says in refused("train", "images", *quick, *flags, "--out", "out")


@pytest.mark.parametrize(
    "flags",
    [
        ["--stepps", "2"],
        ["--steps", "two"],
        ["--preset"],
        ["--chart", "scalign"],
        ["--constraint.weight", "-1"],
        ["--size", "8"],
    ],
)
def test_options_that_do_not_parse_exit_with_2(here, flags, capsys):
    with pytest.raises(SystemExit) as exit:
        main(["train", "images", *flags, "--out", "out"])
    assert exit.value.code == 2
    assert "Traceback" not in capsys.readouterr().err
    assert not list(here.iterdir())


DOMAINS = {
    "imags": "unknown domain 'imags': did you mean 'images'?",
    "xyzzy": "unknown domain 'xyzzy': there are ",
    "nowhere:f": "no module 'nowhere'",
    "mine:moin": "module 'mine' has no function 'moin': did you mean 'main'?",
    "mine:constant": "module 'mine' has no function 'constant'",
    "bare:f": "module 'bare' has no function 'f': define it",
    ":f": "module:function",
    "mine:": "module 'mine' has no function ''",
    ".mine:f": "module:function",
    "mine:empty": "no training data",
    "mine:nan": "1 of 64 training values are NaN or infinite",
}


@pytest.mark.parametrize(("name", "says"), DOMAINS.items(), ids=DOMAINS)
def test_bad_domains_are_refused(here, refused, monkeypatch, name, says):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for module in ("mine", "bare"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    (here / "bare.py").write_text("")
    (here / "mine.py").write_text(
        textwrap.dedent("""
        import torch
        from otgan.data import Samples
        from otgan.domain import Domain
        from otgan.geometry import Lp
        constant = 3
        def main(): return empty()
        def empty(): return Domain(Lp(2.0))
        def nan():
            x = torch.randn(32, 2)
            x[0, 0] = torch.nan
            return Domain(Lp(2.0), Samples(x), Samples(x))
        """)
    )
    monkeypatch.syspath_prepend(str(here))
    assert says in refused("train", name, *QUICK, "--out", "out")


@pytest.mark.parametrize("command", ["sample", "evaluate", "resume"])
@pytest.mark.parametrize(
    ("name", "says"),
    [("nowhere", "no run folder 'nowhere'"), ("folder", "holds no run.json"), ("file", "no run")],
)
def test_what_is_no_run_is_refused(here, refused, command, name, says):
    (here / "folder").mkdir()
    (here / "file").write_text("")
    start = ["train", "images", "--resume"] if command == "resume" else [command]
    assert says in refused(*start, name)


def edited(**changes):
    return lambda text: json.dumps({**json.loads(text), **changes})


SPECS = {
    "no json": (lambda text: text[: len(text) // 2], "damaged"),
    "no text": (lambda text: "\udcff\udcfe", "damaged"),
    "another json": (lambda text: "[1, 2]", "damaged"),
    "no settings": (edited(config=None), "damaged"),
    "strange settings": (edited(config={"steps": "many"}), "damaged"),
    "nothing but a format": (lambda text: json.dumps({"format": FORMAT}), "damaged"),
    "of the future": (edited(format=FORMAT + 1), f"has format {FORMAT + 1}"),
    "of another domain": (edited(domain="imagse"), "did you mean 'images'?"),
}


@pytest.mark.parametrize("command", ["sample", "evaluate", "resume"])
@pytest.mark.parametrize(("damage", "says"), SPECS.values(), ids=SPECS)
def test_a_damaged_description_is_refused(run, refused, command, damage, says):
    text = damage((run / "run.json").read_text())
    (run / "run.json").write_text(text, errors="surrogateescape")
    if command == "resume" and says.startswith("did you mean"):
        says = "is a run of 'imagse', not of 'images'"
    start = ["train", "images", "--resume"] if command == "resume" else [command]
    assert says in refused(*start, run)


def cut_file(path):
    path.write_bytes(path.read_bytes()[:100])


def other_weights(path):
    path.write_bytes((path.parent / "critic.safetensors").read_bytes())


def remove(path):
    path.unlink()


@pytest.mark.parametrize("damage", [cut_file, other_weights, remove])
@pytest.mark.parametrize("command", ["sample", "evaluate"])
def test_damaged_weights_are_refused(run, refused, command, damage):
    damage(run / "generator.safetensors")
    assert "generator.safetensors'" in refused(command, run)


@pytest.mark.parametrize("damage", [cut_file, other_weights, remove])
def test_a_damaged_checkpoint_is_refused(run, refused, damage):
    damage(run / "checkpoint.safetensors")
    said = refused("train", "images", "--resume", run, "--steps", "4")
    assert "checkpoint.safetensors'" in said


def test_a_run_is_not_overwritten(run, refused):
    assert "already holds a run" in refused("train", "images", *QUICK, "--out", run)


def test_a_file_is_not_taken_for_a_run_folder(here, refused):
    (here / "file").write_text("mine")
    assert "is a file: name a folder" in refused("train", "images", *QUICK, "--out", "file")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["sample", "-n", "0"], "at least 1, got 0"),
        (["sample", "-o", "out.xyz"], "cannot write 'out.xyz'"),
        (["evaluate", "--limit", "5"], "--limit 10"),
        (["evaluate", "--draws", "0"], "--draws 1"),
    ],
)
def test_bad_requests_to_a_run_are_refused(run, refused, flags, says):
    assert says in refused(flags[0], run, *flags[1:])


def test_evaluating_on_a_handful_of_images_is_refused(here, refused):
    np.save(here / "data.npy", PIXELS)
    main(["train", "images", "--data", "data.npy", "--held-out", "0.1", *QUICK, "--out", "run"])
    assert "there are 36 and 4" in refused("evaluate", "run")


@pytest.mark.parametrize("out", ["/dev/null/x", "/proc/x"])
def test_a_folder_that_cannot_be_written_exits_with_1(refused, out):
    assert out.split("/")[1] in refused("train", "images", *QUICK, "--out", out, code=1)


@pytest.mark.parametrize("out", ["/dev/null/x.png", "/dev/null/x.npy", "/proc/x"])
def test_samples_that_cannot_be_written_exit_with_1(run, refused, out):
    refused("sample", run, "-o", out, code=1)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no file size limits")
@pytest.mark.parametrize("limit", [1, 20_000])
def test_a_full_disk_exits_with_1_and_leaves_no_half_file(here, limit):
    code = f"""
    import resource, signal, sys
    import matplotlib.figure, torch, torch.utils.tensorboard
    from otgan.cli import main
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
    main(["train", "images", *{QUICK}, "--out", "out"])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("otgan: ")
    assert "Traceback" not in done.stderr
    assert not list(here.rglob("*.part*"))
