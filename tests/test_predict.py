"""Pictures of one's own: what a model sees of them, and `python -m compare fonts`."""

import io
import json
import re
import shutil

import numpy as np
import pytest
from conftest import ROOT, STYLES, script
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from shared import datasets, pictures
from shared.console import UserError

SEVEN = [(0.0, 0.0), (0.7, 0.0), (0.7, 0.15), (0.35, 1.0), (0.15, 1.0), (0.48, 0.17), (0.0, 0.17)]


def glyph(height=200, ink=0, paper=255, margins=(30, 30, 30, 30)):
    """A 7 of that height, with margins to the left, above, to the right and below."""
    left, top, right, bottom = margins
    size = (left + round(0.7 * height) + 1 + right, top + height + 1 + bottom)
    picture = Image.new("L", size, paper)
    outline = [(left + height * x, top + height * y) for x, y in SEVEN]
    ImageDraw.Draw(picture).polygon(outline, fill=ink)
    return picture


def read(picture, form="png", **options):
    """What `read_digit` makes of a Pillow image in a file of that form, as [28, 28]."""
    file = io.BytesIO()
    picture.save(file, form, **options)
    file.seek(0)
    return pictures.read_digit(file).reshape(28, 28)


def centre(image):
    """The centre of mass: row and column."""
    rows, columns = np.mgrid[:28, :28]
    return np.array([(rows * image).sum(), (columns * image).sum()]) / image.sum(dtype=float)


def difference(image, other):
    return np.abs(np.asarray(image, float) - other).mean()


def test_a_digit_is_laid_out_as_in_mnist():
    image = read(glyph())
    assert image.max() == 255
    rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (20, 14)
    assert (np.abs(centre(image) - 14) <= 0.5).all()
    wide = read(glyph().transpose(Image.TRANSPOSE))
    assert np.ptp(np.flatnonzero(wide.any(axis=0))) + 1 == 20
    line = Image.new("L", (4000, 300), 255)
    ImageDraw.Draw(line).line((10, 150, 3990, 150), fill=0)
    assert (read(line) == 255).sum() == 20  # as thin as can be, and as dark


@given(
    height=st.integers(40, 500),
    margins=st.tuples(*[st.integers(1, 300)] * 4),
    levels=st.tuples(st.integers(0, 90), st.integers(165, 255)),
    is_inverted=st.booleans(),
)
def test_place_size_and_polarity_do_not_matter(height, margins, levels, is_inverted):
    ink, paper = levels[::-1] if is_inverted else levels
    assert difference(read(glyph(height, ink, paper, margins)), read(glyph())) < 6


def unchanged(picture):
    return picture


def bilevel(picture):
    return picture.convert("1")


def palette(picture):
    """Two colours, of which one is the paper; both are black, if it were not for transparency."""
    image = Image.new("P", picture.size)
    image.putpalette([0] * 6)
    image.paste(1, mask=picture)
    return image


def of_16_bits(picture):
    return Image.fromarray(np.uint16(np.asarray(picture)) * 16 + 300)


def colour(picture):
    return Image.merge("RGB", [picture.point(lambda level: level // 2), picture, picture])


def cmyk(picture):
    return picture.convert("CMYK")


def black_on_clear(picture, ink="black"):
    image = Image.new("RGBA", picture.size, ink)
    image.putalpha(picture.point(lambda level: 255 - level))
    return image


def white_on_clear(picture):
    return black_on_clear(picture, "white")


def grey_on_clear(picture):
    return black_on_clear(picture, "grey").convert("LA")


def turned(picture):
    return picture.transpose(Image.ROTATE_90)


TURN_BACK = Image.Exif()
TURN_BACK[0x0112] = 6  # the orientation
FORMS = [
    (unchanged, {}),
    (unchanged, {"form": "gif"}),
    (unchanged, {"transparency": 255}),
    (bilevel, {}),
    (palette, {"transparency": 1}),
    (of_16_bits, {}),
    (of_16_bits, {"form": "tiff"}),
    (colour, {}),
    (cmyk, {"form": "jpeg"}),
    (black_on_clear, {}),
    (white_on_clear, {}),
    (grey_on_clear, {}),
    (turned, {"form": "jpeg", "exif": TURN_BACK}),
]


@pytest.mark.parametrize(("change", "options"), FORMS)
def test_forms(change, options):
    assert difference(read(change(glyph()), **options), read(glyph())) < 2


def test_paper_in_uneven_light():
    """A photograph: shadow to one side, noise, and a stroke darker than both."""
    grey = np.asarray(glyph()) / 255.0
    light = np.linspace(150, 210, grey.shape[1]) * (0.25 + 0.75 * grey)
    noisy = light + np.random.RandomState(0).normal(0, 5, grey.shape)
    assert difference(read(Image.fromarray(np.uint8(noisy))), read(glyph())) < 8


def test_mnist_comes_back(mnist_dir):
    """As it is, and enlarged to any size, half of it inverted."""
    images = datasets.load("mnist", mnist_dir).test.images[:100].reshape(-1, 28, 28)
    sizes = np.random.RandomState(0).randint(41, 700, len(images))
    found = {"same": [], "enlarged": []}
    for number, (image, size) in enumerate(zip(images, sizes)):
        picture = Image.fromarray(255 - image if number % 2 else image)
        found["same"].append(read(picture))
        found["enlarged"].append(read(picture.resize((size, size), Image.BICUBIC)))
    assert difference(found["same"], images) < 2
    assert difference(found["enlarged"], images) < 8
    for kind in found.values():
        shifts = [np.hypot(*(centre(one) - centre(other))) for one, other in zip(kind, images)]
        assert np.mean(shifts) < 0.4 and max(shifts) < 1.5


def test_several_are_scaled_as_the_examples_are(tmp_path):
    paths = [str(tmp_path / name) for name in ("a.png", "b.png")]
    glyph().save(paths[0])
    glyph().transpose(Image.ROTATE_180).save(paths[1])
    found = pictures.read_digits(paths)
    pixels = np.stack([pictures.read_digit(path) for path in paths])
    expected, _ = datasets.Examples(pixels, np.zeros(2, np.uint8)).batch(slice(None))
    assert (found.dtype, found.tobytes()) == (expected.dtype, expected.tobytes())


def nothing(path):
    pass


def folder(path):
    path.mkdir()


def text(path):
    path.write_text("7\n")


def truncated(path):
    glyph().save(path)
    path.write_bytes(path.read_bytes()[:-30])


def one_colour(path):
    Image.new("RGB", (50, 50), "navy").save(path)


def all_transparent(path):
    Image.new("RGBA", (50, 50), (0, 0, 0, 0)).save(path)


def blank_paper(path):
    levels = np.random.RandomState(0).randint(200, 210, (60, 60))
    Image.fromarray(np.uint8(levels)).save(path)


def large(path, width=10_000):
    Image.new("1", (width, 10_000)).save(path)


def huge(path):
    large(path, 20_000)


ERRORS = {
    nothing: "No such file or directory; expected a picture of one digit",
    folder: "Is a directory; expected",
    text: "cannot identify image file",
    truncated: "truncated",
    one_colour: "a picture of one colour, expected one of a digit",
    all_transparent: "a picture of one colour",
    blank_paper: "a picture of one colour",
    large: "Image size (100000000 pixels) exceeds limit",
    huge: "Image size (200000000 pixels) exceeds limit",
}


@pytest.mark.parametrize("make", ERRORS, ids=lambda make: make.__name__)
def test_what_is_no_picture_of_a_digit(tmp_path, recwarn, make):
    path = tmp_path / "picture.png"
    make(path)
    with pytest.raises(UserError) as raised:
        pictures.read_digit(str(path))
    assert str(raised.value).startswith(f"{path}: ") and ERRORS[make] in str(raised.value)
    assert "\n" not in str(raised.value) and not recwarn.list


@given(
    form=st.sampled_from(["png", "gif", "bmp", "jpeg"]),
    place=st.floats(0, 1, exclude_max=True),
    bytes_=st.binary(max_size=8),
    is_cut=st.booleans(),
)
def test_a_damaged_picture_is_read_or_refused(form, place, bytes_, is_cut):
    file = io.BytesIO()
    glyph(40).save(file, form)
    whole = file.getvalue()
    start = int(place * len(whole))
    rest = b"" if is_cut else whole[start + len(bytes_) :]
    try:
        image = pictures.read_digit(io.BytesIO(whole[:start] + bytes_ + rest))
    except UserError:
        return
    assert image.shape == (784,) and image.max() == 255


def test_both_styles_say_the_same(run, tmp_path):
    options = ["--dataset=digits", "--max_steps=50", "--run_dir=run", "--nolog"]
    run(script("tf2_style", "mnist_softmax"), *options)
    names = ["7.png", "my 7.jpg", "a: 7.gif"]
    for name in names:
        glyph().save(tmp_path / name)
    said = [
        run(script(style, "mnist_softmax"), "--run_dir=run", "--predict", *names).stdout
        for style in STYLES
    ]
    assert said[0] == said[1]
    lines = said[0].splitlines()
    for name, line in zip(names, lines, strict=True):
        assert re.fullmatch(re.escape(name) + r": \d \(\d+\.\d %\)", line)


# python -m compare fonts

STAND_IN = """
import sys
run_dir, flag, *paths = sys.argv[1:]
assert flag == "--predict"
if run_dir != "--run_dir=run":
    sys.exit("a line before\\nno checkpoint in it, says " + sys.argv[0].split("/")[-2])
print("something else")
for path in paths:
    digit = int(path[-5])
    print(f"{path}: {7 if digit == 1 and 'Mono' in path else digit} (98.3 %)")
"""


@pytest.fixture
def project(tmp_path):
    """A project whose scripts train nothing, and the folder of a run."""
    project = tmp_path / "a project"
    for name in ("compare", "shared"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    for style in STYLES:
        (project / style).mkdir()
        (project / style / "mnist_deep.py").write_text(STAND_IN)
    (tmp_path / "run").mkdir()
    result = {"script": "mnist_deep", "style": "tf2_style"}
    (tmp_path / "run" / "result.json").write_text(json.dumps(result))
    (tmp_path / "tmp").mkdir()
    return project


@pytest.fixture
def fonts(run, project, tmp_path):
    """Runs the command of that project, with a folder of its own for temporary files."""

    def fonts(*arguments, **options):
        options.update(PYTHONPATH=str(project), TMPDIR=str(tmp_path / "tmp"))
        return run("-B", "-m", "compare", "fonts", *arguments, **options)

    return fonts


def test_fonts(fonts, tmp_path):
    process = fonts("run", "--style=tf1_style", "--output=sheets/print.png")
    lines = process.stdout.splitlines()
    assert "as tf1_style/mnist_deep takes it" in lines[0] and not process.stderr
    assert lines[-1] == "sheet: sheets/print.png"
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    found = {row[0]: row[1:] for row in rows}
    assert found["DejaVu Sans"] == ["10", "-"] and found["DejaVu Sans Mono"] == ["9", "1 as 7"]
    wrong = sum("Mono" in font for font in found)
    count = len(found) - 1
    assert count >= 15 and found["total"] == [f"{10 * count - wrong} of {10 * count}", ""]
    assert not list((tmp_path / "tmp").iterdir())

    with Image.open(tmp_path / "sheets" / "print.png") as sheet:
        sheet.load()
    assert (sheet.format, sheet.size) == ("PNG", (1150, 120 + 90 * count))
    red, green, _ = np.moveaxis(np.asarray(sheet.convert("RGB")).astype(int), -1, 0)
    columns = np.flatnonzero((red > green + 50).any(axis=0))
    assert 348 <= columns[0] and columns[-1] <= 426  # the mistakes are marked, all in one column


def no_result(run_dir):
    (run_dir / "result.json").unlink()


def damaged(run_dir):
    (run_dir / "result.json").write_text('{"script": ')


def of_another_kind(run_dir):
    (run_dir / "result.json").write_text("[]")


def of_a_stranger(run_dir):
    (run_dir / "result.json").write_text('{"script": "../../x", "style": "tf1_style"}')


def without_checkpoint(run_dir):
    run_dir.rename(run_dir.with_name("other"))


def sheet_is_a_folder(run_dir):
    (run_dir / "fonts.png").mkdir()


NO_RESULT = "run/result.json: not the result of a script of ours; name the folder of a run"
MISTAKES = {
    no_result: "run/result.json: No such file or directory; expected the folder of a run",
    damaged: NO_RESULT,
    of_another_kind: NO_RESULT,
    of_a_stranger: NO_RESULT,
    without_checkpoint: "no checkpoint in it, says tf2_style",
    sheet_is_a_folder: "could not write run/fonts.png: Is a directory; make room, or name another "
    "folder",
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_fonts_of_what_is_no_run(fonts, tmp_path, mistake):
    mistake(tmp_path / "run")
    before = sorted(tmp_path.rglob("*"))
    process = fonts("other" if (tmp_path / "other").exists() else "run", check=False)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr == MISTAKES[mistake] + "\n"
    assert sorted(tmp_path.rglob("*")) == before
