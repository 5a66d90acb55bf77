"""The image domain reads what people have, keeps every pixel, and writes what it generates."""

import gzip
import io
import struct

import numpy as np
import pytest
import torch
from otgan_domains.images import images
from PIL import Image

from otgan.config import InputError, resolve
from otgan.data import floats

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (10, 8, 9), np.uint8)
COLOUR = RNG.integers(0, 256, (10, 8, 9, 3), np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 2])


def ordered(domain):
    """All images of both parts, in an order that does not depend on the split."""
    x = torch.cat([domain.train.x, domain.held_out.x])
    return x[sorted(range(len(x)), key=lambda i: x[i].flatten().tolist())]


def expected(pixels):
    """(n, h, w) or (n, h, w, c) of uint8 as the domain holds it, ordered."""
    x = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
    x = torch.from_numpy(np.ascontiguousarray(x))
    return x[sorted(range(len(x)), key=lambda i: x[i].flatten().tolist())]


def folder(path, pixels, names=None, ending="png"):
    for i, picture in enumerate(pixels):
        target = path / (names[i] if names else f"{i}.{ending}")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(target)
    return path


def idx(array):
    return (
        b"\0\0\x08"
        + bytes([array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + (array.astype(np.uint8).tobytes())
    )


def png(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "png")
    return buffer.getvalue()


def pairs(domain):
    """Every image with the name of its class."""
    parts = (domain.train, domain.held_out)
    return {
        (x.numpy().tobytes(), domain.classes[int(y)])
        for part in parts
        for x, y in zip(part.x, part.y, strict=True)
    }


def test_digits_are_1400_and_397_bytes_with_ten_classes():
    domain = images()
    assert (len(domain.train), len(domain.held_out)) == (1400, 397)
    assert domain.train.shape == domain.held_out.shape == (1, 8, 8)
    assert domain.train.x.dtype == domain.held_out.x.dtype == torch.uint8
    assert domain.train.x.max() == 255
    assert domain.classes == tuple("0123456789")
    assert set(domain.train.y.tolist()) == set(range(10))


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        ([f"{i}.png" for i in range(10)], ()),
        ([f"deep/er/{i}.png" for i in range(10)], ()),
        ([f"{'cat' if k else 'dog'}/{i}.png" for i, k in enumerate(LABELS)], ("cat", "dog")),
        ([f"{'cat' if k else 'dog'}/{k}/{i}.png" for i, k in enumerate(LABELS)], ("cat", "dog")),
    ],
    ids=["flat", "one-subfolder", "classes", "nested-classes"],
)
@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_a_folder_keeps_every_pixel_and_names_its_classes(tmp_path, pixels, names, classes):
    domain = images(str(folder(tmp_path / "pics", pixels, names)))
    assert torch.equal(ordered(domain), expected(pixels))
    assert domain.classes == classes
    if classes:
        planes = pixels if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
        assert pairs(domain) == {
            (plane.tobytes(), name.split("/")[0]) for plane, name in zip(planes, names, strict=True)
        }


def test_hidden_files_are_left_out_and_a_hidden_parent_is_not(tmp_path):
    path = folder(tmp_path / ".cache" / "pics", GREY)
    folder(path / ".thumbs", GREY)
    (path / "._0.png").write_bytes(b"resource fork")
    assert torch.equal(ordered(images(str(path))), expected(GREY))


@pytest.mark.parametrize(
    "array",
    [
        COLOUR,
        COLOUR.transpose(0, 3, 1, 2),
        (COLOUR / 255).astype(np.float32),
        COLOUR.astype(np.int64),
    ],
    ids=["nhwc", "nchw", "float", "int64"],
)
def test_array_layouts_and_types_hold_the_same_images(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    x = ordered(images(str(tmp_path / "a.npy")))
    torch.testing.assert_close(floats(x), floats(expected(COLOUR)))


@pytest.mark.parametrize(
    ("array", "value_range"),
    [(GREY / 255, None), (GREY / 127.5 - 1, (-1, 1)), (GREY.astype(float), (0, 255))],
)
def test_value_range_says_what_black_and_white_are(array, value_range):
    domain = images(array, value_range=value_range)
    torch.testing.assert_close(ordered(domain), floats(expected(GREY)), atol=1e-6, rtol=0)


def test_bools_are_black_and_white(tmp_path):
    np.save(tmp_path / "a.npy", GREY > 128)
    assert torch.equal(
        ordered(images(str(tmp_path / "a.npy"))), expected((GREY > 128).astype(np.uint8) * 255)
    )


@pytest.mark.parametrize("names", [("x", "y"), ("images", "labels"), ("x_train", "y_train")])
def test_npz_keeps_images_with_their_labels(tmp_path, names):
    np.savez(tmp_path / "a.npz", **dict(zip(names, (GREY, LABELS + 5), strict=True)))
    domain = images(str(tmp_path / "a.npz"))
    assert domain.classes == ("5", "6", "7")
    want = {(g.tobytes(), str(k + 5)) for g, k in zip(GREY, LABELS, strict=True)}
    assert pairs(domain) == want


def test_test_labels_are_numbered_as_the_training_labels_are(tmp_path):
    np.savez(tmp_path / "a.npz", x=GREY, y=LABELS, x_test=GREY[:3], y_test=[2, 1, 2])
    domain = images(str(tmp_path / "a.npz"))
    assert (len(domain.train), len(domain.held_out)) == (10, 3)
    assert domain.held_out.y.tolist() == [2, 1, 2]


@pytest.mark.parametrize("name", ["a.idx", "pics-idx3-ubyte", "a.idx.gz", "pics-idx3-ubyte.gz"])
def test_a_single_idx_file_is_read(tmp_path, name):
    content = idx(GREY)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert torch.equal(ordered(images(str(tmp_path / name))), expected(GREY))


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("joint", ["-", "."])
def test_a_folder_of_mnist_type_brings_its_own_test_set(tmp_path, ending, joint):
    parts = {"train": (GREY, LABELS), "t10k": (GREY[4:], LABELS[4:])}
    for stem, (x, y) in parts.items():
        for kind, array in (("images-idx3", x), ("labels-idx1", y)):
            content = gzip.compress(idx(array)) if ending else idx(array)
            name = f"{stem}-{kind}-ubyte{ending}".replace("-idx", f"{joint}idx")
            (tmp_path / name).write_bytes(content)
    domain = images(str(tmp_path))
    assert torch.equal(domain.train.x[:, 0], torch.from_numpy(GREY))
    assert torch.equal(domain.held_out.x[:, 0], torch.from_numpy(GREY[4:]))
    assert domain.held_out.y.tolist() == LABELS[4:].tolist()


@pytest.mark.parametrize("writer", ["pyarrow", "datasets"])
def test_parquet_keeps_images_with_their_labels(tmp_path, writer):
    datasets = pytest.importorskip("datasets")
    path = tmp_path / "a.parquet"
    rows = {"image": [{"bytes": png(g), "path": None} for g in GREY], "label": LABELS.tolist()}
    if writer == "pyarrow":
        pa = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(pa.table(rows), path)
    else:
        datasets.disable_progress_bars()
        kinds = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["z", "a", "m"])}
        datasets.Dataset.from_dict(rows, datasets.Features(kinds)).to_parquet(str(path))
    domain = images(str(path))
    assert domain.classes == (("0", "1", "2") if writer == "pyarrow" else ("z", "a", "m"))
    want = {(g.tobytes(), domain.classes[k]) for g, k in zip(GREY, LABELS.tolist(), strict=True)}
    assert pairs(domain) == want


@pytest.mark.parametrize("values", [GREY, GREY / 255], ids=["int", "float"])
def test_parquet_may_hold_pixels_as_lists(tmp_path, values):
    pytest.importorskip("datasets")
    pa = pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    pytest.importorskip("pyarrow.parquet").write_table(pa.table({"x": values.tolist()}), path)
    found = floats(ordered(images(str(path))))
    torch.testing.assert_close(found, floats(expected(GREY)))


@pytest.mark.parametrize(("hidden", "labels"), [(False, [1, 0, 1]), (True, None)])
def test_hub_names_are_loaded_with_their_splits(monkeypatch, hidden, labels):
    datasets = pytest.importorskip("datasets")
    kinds = datasets.Features(
        {"img": datasets.Image(), "label": datasets.ClassLabel(names=["no", "yes", "never"])}
    )

    def part(pixels, y):
        rows = {"img": [Image.fromarray(p) for p in pixels], "label": y}
        return datasets.Dataset.from_dict(rows, kinds)

    found = datasets.DatasetDict(
        train=part(COLOUR, [0, 1] * 5), test=part(COLOUR[:3], [-1] * 3 if hidden else [1, 0, 1])
    )
    asked = []
    monkeypatch.setattr(datasets, "load_dataset", lambda name: asked.append(name) or found)
    domain = images("hf:some/pictures")
    assert asked == ["some/pictures"]
    assert domain.classes == ("no", "yes")
    assert torch.equal(domain.train.x, torch.from_numpy(COLOUR).permute(0, 3, 1, 2))
    assert len(domain.held_out) == 3
    assert (domain.held_out.y.tolist() if labels else domain.held_out.y) == labels


@pytest.mark.parametrize("source", ["array", "folder"])
@pytest.mark.parametrize("resize", ["stretch", "crop"])
def test_resizing_keeps_halves_where_they_are(tmp_path, source, resize):
    halves = np.zeros((4, 8, 16), np.uint8)
    halves[:, :, 8:] = 255
    data = halves if source == "array" else str(folder(tmp_path, halves))
    x = images(data, size=(12, 8), resize=resize).train.x
    assert x.shape[1:] == (1, 12, 8)
    assert (x[..., :2] < 10).all() and (x[..., -2:] > 245).all()  # Lanczos rings a little


@pytest.mark.parametrize("source", ["array", "folder"])
@pytest.mark.parametrize(("resize", "edge"), [("stretch", 255), ("crop", 0)])
def test_stretching_keeps_the_margins_and_cropping_cuts_them(tmp_path, source, resize, edge):
    margins = np.full((4, 8, 24), 255, np.uint8)
    margins[:, :, 8:16] = 0
    data = margins if source == "array" else str(folder(tmp_path, margins))
    x = images(data, size=(8, 8), resize=resize).train.x
    assert ((x[..., 0].float() - edge).abs() < 10).all() and (x[..., 4] < 10).all()


@pytest.mark.parametrize("layout", ["nhw", "nhwc", "nchw"])
def test_resizing_to_the_same_size_changes_nothing(layout):
    array = {"nhw": GREY, "nhwc": COLOUR, "nchw": COLOUR.transpose(0, 3, 1, 2)}[layout]
    want = GREY if layout == "nhw" else COLOUR
    assert torch.equal(ordered(images(array, size=(8, 9))), expected(want))


@pytest.mark.parametrize("source", ["array", "folder"])
def test_grey_becomes_three_equal_channels_and_back(tmp_path, source):
    data = GREY if source == "array" else str(folder(tmp_path, GREY))
    three = images(data, channels=3)
    assert torch.equal(ordered(three), expected(GREY).expand(-1, 3, -1, -1))
    assert torch.equal(ordered(images(ordered(three).numpy(), channels=1)), expected(GREY))


def test_colour_becomes_the_grey_that_pillow_makes(tmp_path):
    want = np.stack([np.asarray(Image.fromarray(c).convert("L")) for c in COLOUR])
    by_file = images(str(folder(tmp_path, COLOUR)), channels=1)
    assert torch.equal(ordered(by_file), expected(want))
    by_array = images(COLOUR, channels=1)
    order = [t.mean() for t in ordered(by_array).float()]
    assert np.allclose(sorted(order), sorted(w.mean() for w in want), atol=1)


@pytest.mark.parametrize("source", ["array", "folder"])
@pytest.mark.parametrize(("channels", "shape"), [(None, 4), (3, 3), (1, 1)])
def test_transparency_is_kept_unless_other_channels_are_asked_for(
    tmp_path, source, channels, shape
):
    rgba = np.concatenate([COLOUR, GREY[..., None]], 3)
    data = rgba if source == "array" else str(folder(tmp_path, rgba))
    x = ordered(images(data, channels=channels))
    assert x.shape[1:] == (shape, 8, 9)
    if shape > 1:
        assert torch.equal(x, expected(rgba[..., :shape]))


def test_palette_images_have_the_colours_of_their_palette(tmp_path):
    for i in range(4):
        picture = Image.new("P", (8, 8), i % 2)
        picture.putpalette([255, 0, 0, 0, 128, 255])
        picture.save(tmp_path / f"{i}.png")
    x = images(str(tmp_path)).train.x
    assert {tuple(p[:, 3, 3].tolist()) for p in x} <= {(255, 0, 0), (0, 128, 255)}


def test_sixteen_bits_are_scaled_to_eight_not_cut_off(tmp_path):
    folder(tmp_path, GREY.astype(np.uint16) * 257)
    assert torch.equal(ordered(images(str(tmp_path))), expected(GREY))


def test_one_bit_images_are_black_and_white(tmp_path):
    for i in range(4):
        Image.fromarray(GREY[i]).convert("1").save(tmp_path / f"{i}.png")
    assert set(images(str(tmp_path)).train.x.unique().tolist()) == {0, 255}


@pytest.mark.parametrize(("share", "n"), [(0.2, 2), (0.5, 5), (0.01, 1)])
def test_the_held_out_share_is_always_the_same_images(share, n):
    one, other = (images(GREY, held_out=share) for _ in range(2))
    assert len(one.held_out) == n and len(one.train) == 10 - n
    assert torch.equal(one.held_out.x, other.held_out.x)


@pytest.mark.parametrize("shape", [(0, 8, 8), (4, 8), (4, 8, 8, 7), (2, 2, 8, 8, 3)])
@pytest.mark.parametrize("size", [None, (8, 8)])
def test_arrays_that_are_no_images_are_refused(shape, size):
    with pytest.raises(InputError):
        images(np.zeros(shape, np.uint8), size)


@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_what_is_saved_to_a_folder_comes_back(tmp_path, pixels):
    domain = images(pixels)
    domain.save(floats(expected(pixels)), tmp_path / "out")
    assert torch.equal(ordered(images(str(tmp_path / "out"))), expected(pixels))


@pytest.mark.parametrize("ending", [".npy", ".npz"])
@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_what_is_saved_to_an_array_file_comes_back(tmp_path, pixels, ending):
    path = tmp_path / f"out{ending}"
    images(pixels).save(floats(expected(pixels)), path)
    torch.testing.assert_close(floats(ordered(images(str(path)))), floats(expected(pixels)))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", [".png", ".webp", ".jpg"])
def test_a_picture_file_holds_all_samples_in_one_grid(tmp_path, ending):
    images(COLOUR).save(torch.zeros(4, 3, 8, 8), tmp_path / f"out{ending}")
    with Image.open(tmp_path / f"out{ending}") as picture:
        grid = np.asarray(picture.convert("L"))
    black = (grid < 100).mean()
    assert black == pytest.approx(4 * 64 / 19**2, abs=0.05)


@pytest.mark.parametrize("name", ["out.xyz", "out.gif", "sub/out.txt"])
def test_an_unknown_ending_is_refused_and_nothing_is_written(tmp_path, name):
    with pytest.raises(InputError, match="cannot write"):
        images(GREY).save(torch.zeros(4, 1, 8, 8), tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("chart", ["scaling", "identity", "whitening", "pca", "cholesky"])
def test_decode_inverts_encode(chart):
    data = RNG.random((200, 3, 4)).astype(np.float32)
    domain = images(data, chart=chart)
    points = domain.train.points()
    coded = domain.chart.encode(points)
    torch.testing.assert_close(domain.chart.decode(coded), points, atol=1e-4, rtol=0)
    if chart == "scaling":
        assert coded.min() >= -1 and coded.max() <= 1
        assert coded.max() - coded.min() > 1.9


@pytest.mark.parametrize("chart", ["scaling", "identity", "whitening", "pca", "cholesky"])
def test_a_restored_domain_has_no_data_and_the_same_parts(chart):
    data = RNG.random((200, 3, 4)).astype(np.float32)
    domain = images(data, chart=chart)
    restored = images("no such path", chart=chart, state=domain.state)
    assert restored.train is None and restored.held_out is None
    assert type(restored.chart) is type(domain.chart)
    restored.chart.load_state_dict(domain.chart.state_dict())
    points = domain.train.points()
    assert torch.equal(restored.chart.encode(points), domain.chart.encode(points))
    assert list(restored.networks) == list(domain.networks)
    assert restored.classes == domain.classes and restored.state == domain.state


def test_photos_are_turned_as_their_camera_says(tmp_path):
    upright = np.zeros((8, 12), np.uint8)
    upright[:, :6] = 200
    turned = Image.fromarray(np.rot90(upright).copy())  # as stored by a camera on its side
    exif = turned.getexif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise to show
    for name in "ab":
        turned.save(tmp_path / f"{name}.png", exif=exif)
    assert np.array_equal(images(str(tmp_path), held_out=0.5).train.x[0, 0], upright)


def test_folders_train_and_test_are_told_apart(tmp_path):
    for part, n in (("train", 6), ("test", 2)):
        for i in range(n):
            path = tmp_path / part / "xy"[i % 2] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8), 10 * i, np.uint8)).save(path)
    domain = images(str(tmp_path))
    assert (len(domain.train), len(domain.held_out)) == (6, 2)
    assert domain.classes == ("x", "y")
    assert sorted(domain.held_out.y.tolist()) == [0, 1]


def test_pictures_of_floats_are_not_guessed(tmp_path):
    Image.fromarray(RNG.random((8, 8)).astype(np.float32)).save(tmp_path / "a.tiff")
    with pytest.raises(InputError, match="holds floats"):
        images(str(tmp_path))


@pytest.mark.parametrize(
    ("preset", "critic_rate"), [("wgan-gp", None), ("wgan-lp", None), ("certified", 5e-3)]
)
def test_critics_that_need_several_steps_get_two_and_a_fast_generator(preset, critic_rate):
    config = resolve(preset, images().presets, {})
    assert (config.critic_steps, config.average, config.optimiser.rate) == (2, 0.999, 1e-3)
    assert config.optimiser.critic_rate == critic_rate
