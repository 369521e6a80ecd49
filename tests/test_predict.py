"""--predict: how pictures are read, judged and shown. And `python -m compare fonts`."""

import errno
import io
import json
import os
import re
import shutil

import numpy as np
import pytest
from conftest import ROOT, STYLES, script
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from shared import datasets, flags, picture_reading, pictures, predicting
from shared.console import UserError

SEVEN = [(0.0, 0.0), (0.7, 0.0), (0.7, 0.15), (0.35, 1.0), (0.15, 1.0), (0.48, 0.17), (0.0, 0.17)]


def glyph(height=200, ink=0, paper=255, margins=(30, 30, 30, 30)):
    """Draws a 7 of this height, with margins to the left, above, to the right and below."""
    left, top, right, bottom = margins
    size = (left + round(0.7 * height) + 1 + right, top + height + 1 + bottom)
    picture = Image.new("L", size, paper)
    outline = [(left + height * x, top + height * y) for x, y in SEVEN]
    ImageDraw.Draw(picture).polygon(outline, fill=ink)
    return picture


def read(picture, form="png", **options):
    """Saves a Pillow image in a format, and reads it as pixels [28, 28]."""
    file = io.BytesIO()
    picture.save(file, form, **options)
    file.seek(0)
    return picture_reading.read_digit(file).pixels.reshape(28, 28)


def centre(image):
    """Returns the row and the column of the centre of mass."""
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
    assert (read(line) == 255).sum() == 20  # one pixel thin, and at full strength


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
    """Returns an image of two colours, both black; one is made transparent when it is saved."""
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
    """A photograph has a shadow to one side and noise; the stroke is darker than both."""
    grey = np.asarray(glyph()) / 255.0
    light = np.linspace(150, 210, grey.shape[1]) * (0.25 + 0.75 * grey)
    noisy = light + np.random.RandomState(0).normal(0, 5, grey.shape)
    assert difference(read(Image.fromarray(np.uint8(noisy))), read(glyph())) < 8


def test_mnist_comes_back(mnist_dir):
    """MNIST's images come back as they are, also enlarged to any size, and inverted."""
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
    one_colour: "a blank picture, expected a picture of one digit",
    all_transparent: "a blank picture",
    blank_paper: "a blank picture",
    large: "Image size (100000000 pixels) exceeds limit",
    huge: "Image size (200000000 pixels) exceeds limit",
}


@pytest.mark.parametrize("make", ERRORS, ids=lambda make: make.__name__)
def test_a_file_that_is_no_picture_of_a_digit(tmp_path, recwarn, make):
    path = tmp_path / "picture.png"
    make(path)
    with pytest.raises(UserError) as raised:
        picture_reading.read_digit(str(path))
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
        read = picture_reading.read_digit(io.BytesIO(whole[:start] + bytes_ + rest))
    except UserError:
        return
    assert read.pixels.shape == (784,) and read.pixels.max() == 255 and read.digits_seen >= 1


# More than one digit in a picture


def digits_seen(image):
    """Returns how many digits are seen in levels [h, w], light on dark, saved as a picture."""
    file = io.BytesIO()
    Image.fromarray(np.uint8(np.clip(np.rint(image), 0, 255))).save(file, "png")
    file.seek(0)
    return picture_reading.read_digit(file).digits_seen


def enlarged(image, scale):
    size = tuple(round(scale * side) for side in image.shape[::-1])
    return np.asarray(Image.fromarray(np.uint8(image)).resize(size, Image.BICUBIC))


def side_by_side(images, gap, shift=0):
    """Puts digits [28, 28] next to each other, `gap` columns apart, each `shift` rows lower."""
    cut = [image[:, np.flatnonzero(image.max(axis=0) > 60)] for image in images]
    canvas = np.zeros((60, 8 + sum(image.shape[1] + gap for image in cut)))
    left = 4
    for number, image in enumerate(cut):
        top, width = 12 + number * shift, image.shape[1]
        canvas[top : top + 28, left : left + width] = image
        left += width + gap
    return canvas


@pytest.mark.proof
def test_one_digit_of_mnist_is_one(mnist_dir):
    images = datasets.load("mnist", mnist_dir).test.images[:1000].reshape(-1, 28, 28)
    random = np.random.RandomState(0)
    counts = [digits_seen(enlarged(image, random.uniform(1, 6))) for image in images]
    assert sum(count != 1 for count in counts) < 5, np.flatnonzero(np.array(counts) != 1)


@pytest.mark.proof
def test_two_digits_of_mnist_are_two(mnist_dir):
    images = datasets.load("mnist", mnist_dir).test.images.reshape(-1, 28, 28)
    random = np.random.RandomState(0)
    counts = []
    for _ in range(500):
        pair = images[random.randint(0, len(images), 2)]
        pair = side_by_side(pair, gap=random.randint(2, 12), shift=random.randint(-3, 4))
        counts.append(digits_seen(enlarged(pair, random.uniform(1, 6))))
    assert sum(count > 1 for count in counts) >= 475


def drawn(*lines, width=14, size=(200, 200)):
    """Draws lines, each a list of points, as levels [h, w]."""
    picture = Image.new("L", size)
    for line in lines:
        ImageDraw.Draw(picture).line(line, fill=255, width=width, joint="curve")
    return np.asarray(picture, float)


FIVE = [(130, 30), (70, 30), (65, 90), (110, 85), (135, 120), (110, 165), (60, 165)]
ONE_DIGIT = {
    "a 5 with a detached bar": [FIVE[1:], [(90, 30), (150, 30)]],
    "a 5 with a bar that floats beside it": [FIVE[2:], [(145, 25), (185, 25)]],
    "an open 4": [[(60, 30), (50, 110), (110, 110)], [(140, 40), (140, 180)]],
    "a broken 1": [[(100, 20), (100, 90)], [(100, 115), (100, 180)]],
    "a 0 broken at the top and the bottom": [
        [(95, 30), (60, 60), (60, 140), (90, 172), (110, 172)],
        [(125, 160), (140, 140), (140, 80)],
    ],
    "an i": [[(100, 80), (100, 180)], [(100, 30), (100, 44)]],
    "a 7 with a dot behind it": [[(40, 30), (120, 30), (80, 170)], [(150, 170), (160, 170)]],
}


@pytest.mark.parametrize("name", ONE_DIGIT)
def test_parts_of_one_digit_are_not_several(name):
    assert digits_seen(drawn(*ONE_DIGIT[name])) == 1


def test_noise_is_no_digit():
    random = np.random.RandomState(0)
    image = drawn(FIVE) + random.uniform(0, 60, (200, 200))
    for row, column in random.randint(5, 190, (40, 2)):
        image[row : row + 4, column : column + 4] = 255
    assert digits_seen(image) == 1


@pytest.mark.parametrize("text", ["7", "0", "11", "07", "42", "1984", "1234567890"])
def test_printed_digits_are_counted(text):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1 + len(text), 2))
    figure.text(0.5, 0.4, text, fontsize=70, ha="center")
    file = io.BytesIO()
    figure.savefig(file)
    file.seek(0)
    assert picture_reading.read_digit(file).digits_seen == len(text)


# The answers to --predict


def classify_as_7(images):
    """Returns logits that say 7 for any image."""
    assert images.dtype == np.float32 and images.shape[1:] == (784,) and images.max() == 1
    return np.tile(np.float32([0] * 7 + [9, 0, 0]), (len(images), 1))


@pytest.fixture
def files(tmp_path, monkeypatch):
    """An empty current folder with pictures in it, good and bad ones."""
    monkeypatch.chdir(tmp_path)
    glyph().save("seven.png")
    one_colour(tmp_path / "blank.png")
    text(tmp_path / "text.png")
    Image.fromarray(255 - np.uint8(drawn([(50, 20), (50, 180)], [(140, 30), (140, 170)]))).save(
        "eleven.png"
    )
    return tmp_path


def test_each_picture_is_judged(files, capsys):
    paths = ["blank.png", "seven.png", "text.png", "eleven.png", "missing.png", "seven.png"]
    with pytest.raises(UserError, match="^3 of 6 pictures could not be read"):
        predicting.predict(paths, classify_as_7)
    output = capsys.readouterr()
    assert output.out == "".join(
        f"{name}.png: 7 (99.9 %)\n" for name in ("seven", "eleven", "seven")
    )
    errors = output.err.splitlines()
    assert [line.split(":")[0] for line in errors] == [
        "blank.png", "text.png", "eleven.png", "missing.png"
    ]  # fmt: skip
    assert "warning: the picture seems to hold 2 digits" in errors[2]


def test_one_bad_picture_is_one_line(files, capsys):
    with pytest.raises(UserError, match="^blank.png: a blank picture"):
        predicting.predict(["blank.png"], classify_as_7)
    assert capsys.readouterr() == ("", "")


def test_a_warning_is_no_error(files, capsys):
    predicting.predict(["eleven.png"], classify_as_7)
    output = capsys.readouterr()
    assert output.out == "eleven.png: 7 (99.9 %)\n" and output.err.count("\n") == 1


def test_many_pictures_get_their_own_answers(files, capsys):
    """There are more than are classified at a time."""
    count = 2 * predicting.PICTURES_PER_CALL + 1
    for number in range(count):
        glyph(50).rotate(number % 3 * 90).save(f"{number}.png")
    paths = [f"{number}.png" for number in range(count)]
    turns = [picture_reading.read_digit(path).pixels / np.float32(255) for path in paths[:3]]
    sizes = []

    def classify(images):
        sizes.append(len(images))
        distances = [[np.abs(image - turn).sum() for turn in turns] for image in images]
        return np.float32([[-9 * distance for distance in row] + [-1e6] * 7 for row in distances])

    predicting.predict(paths, classify)
    answers = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert answers == [str(number % 3) for number in range(count)]
    assert max(sizes) <= predicting.PICTURES_PER_CALL


def test_an_odd_file_name_stays_one_line(files, capsys):
    for name in ("a\nb.png", b"\xff.png".decode(errors="surrogateescape"), "é 1.png"):
        shutil.copy("seven.png", name)
        predicting.predict([name], classify_as_7, "sheet.png")
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{name}.png: 7 (99.9 %)" for name in ("a\\nb", "\\udcff", "é 1")]


def test_the_picture_shows_what_the_network_saw(files):
    with pytest.raises(UserError, match="1 of 3"):
        predicting.predict(["seven.png", "blank.png", "eleven.png"], classify_as_7, "new/it.png")
    with Image.open("new/it.png") as file:
        assert file.format == "PNG"
        picture = np.asarray(file)
    for name in ("seven.png", "eleven.png"):
        saw = np.kron(picture_reading.read_digit(name).pixels.reshape(28, 28), np.ones((5, 5)))
        places = [
            (top, left)
            for top in range(picture.shape[0] - 139)
            for left in range(picture.shape[1] - 139)
            if np.array_equal(picture[top : top + 140, left : left + 140], saw)
        ]
        assert len(places) == 1, name
        top, left = places[0]
        caption = picture[top - 40 : top, left : left + 140]
        assert (caption > 200).sum() > 100  # the name and the answer
    assert [path.name for path in (files / "new").iterdir()] == ["it.png"]


def test_a_picture_takes_the_place_of_an_older_one(files):
    predicting.predict(["seven.png"], classify_as_7, "it.png")
    before = (files / "it.png").read_bytes()
    predicting.predict(["seven.png", "eleven.png"], classify_as_7, "it.png")
    assert (files / "it.png").read_bytes() != before


def users_text(path):
    path.write_text("mine")


def users_folder(path):
    path.mkdir()
    (path / "mine").write_text("mine")


def users_pipe(path):
    os.mkfifo(path)


@pytest.mark.parametrize("make", [users_text, users_folder, users_pipe])
def test_nothing_but_a_png_file_is_replaced(files, capsys, make):
    make(files / "mine.png")
    before = {path: path.lstat() for path in files.rglob("*")}
    with pytest.raises(
        UserError, match="^--predict_picture=mine.png: (a folder|something else is there)"
    ):
        predicting.predict(["seven.png"], classify_as_7, "mine.png")
    after = {path: path.lstat() for path in files.rglob("*")}
    assert {path: (at.st_ino, at.st_size, at.st_mtime_ns) for path, at in before.items()} == {
        path: (at.st_ino, at.st_size, at.st_mtime_ns) for path, at in after.items()
    }
    assert capsys.readouterr() == ("", "")


def test_a_picture_that_is_read_is_not_replaced(files):
    before = (files / "seven.png").read_bytes()
    (files / "link.png").symlink_to("seven.png")
    for path in ("seven.png", str(files / "seven.png"), "link.png"):
        with pytest.raises(UserError, match="this is a picture of --predict"):
            predicting.predict(["seven.png"], classify_as_7, path)
    assert (files / "seven.png").read_bytes() == before


def test_a_picture_that_cannot_be_written(files, monkeypatch):
    before = sorted(files.rglob("*"))
    with pytest.raises(UserError, match="seven.png is not a folder; name another path"):
        predicting.predict(["seven.png"], classify_as_7, "seven.png/it.png")

    def full(picture):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pictures, "png", full)
    with pytest.raises(UserError, match="could not write it.png: No space left on device"):
        predicting.predict(["seven.png"], classify_as_7, "it.png")
    assert sorted(files.rglob("*")) == before


def test_the_script(run, tmp_path):
    """Both styles give the same answers, warnings and errors, and the same picture."""
    options = ["--dataset=digits", "--max_steps=50", "--nolog"]
    run(script("tf2_style", "mnist_softmax"), *options, "--run_dir=run")
    names = ["7.png", "blank.png", "my 7.jpg", "a: 7.gif"]
    for name in names:
        one_colour(tmp_path / name) if name == "blank.png" else glyph().save(tmp_path / name)
    outputs = []
    for style in STYLES:
        arguments = ["--predict", *names, "--run_dir=run", f"--predict_picture={style}.png"]
        process = run(script(style, "mnist_softmax"), *arguments, check=False)
        picture = (tmp_path / f"{style}.png").read_bytes()
        outputs.append((process.returncode, process.stdout, process.stderr, picture))
    assert outputs[0] == outputs[1]
    exit_code, answers, errors, _ = outputs[0]
    assert exit_code == 2
    names.remove("blank.png")
    for name, line in zip(names, answers.splitlines(), strict=True):
        assert re.fullmatch(re.escape(name) + r": \d \(\d+\.\d %\)", line)
    blank, count = errors.splitlines()
    assert blank.startswith("blank.png: a blank picture, expected")
    assert count == "1 of 4 pictures could not be read, see above"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--predict_picture=it.png"], "--predict_picture needs pictures"),
        (["--predict_picture=a*.png", "--predict", "7.png"], "expected a local path"),
    ],
)
def test_flags_of_the_picture(options, error):
    with pytest.raises(UserError, match=re.escape(error)):
        flags.parse(["mnist_softmax.py", *options], "", max_steps=1)


def test_flags_may_follow_the_pictures():
    argv = ["mnist_softmax.py", "--predict", "a.png", "b.png", "--run_dir=run", "--", "--c.png"]
    parsed = flags.parse(argv, "", max_steps=1)
    assert (parsed.predict, parsed.run_dir) == (["a.png", "b.png", "--c.png"], "run")


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
    """A project whose scripts only print answers, and the folder of a run."""
    project = tmp_path / "a project"
    for name in ("compare", "shared"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    for style in STYLES:
        (project / style).mkdir()
        (project / style / "mnist_deep.py").write_text(STAND_IN)
    (tmp_path / "run").mkdir()
    result = {"script": "mnist_deep", "style": "tf2_style", "status": "running", "step": 0}
    result.update(threads=1, flags={})
    (tmp_path / "run" / "result.json").write_text(json.dumps(result))
    (tmp_path / "tmp").mkdir()
    return project


@pytest.fixture
def fonts(run, project, tmp_path):
    """Runs the command in that project, with a separate folder for temporary files."""

    def fonts(*arguments, **options):
        options.update(PYTHONPATH=str(project), TMPDIR=str(tmp_path / "tmp"))
        return run("-B", "-m", "compare", "fonts", *arguments, **options)

    return fonts


def test_fonts(fonts, tmp_path):
    process = fonts("run", "--style=tf1", "--output=sheets/print.png")
    lines = process.stdout.splitlines()
    assert "classified by tf1_style/mnist_deep" in lines[0] and not process.stderr
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
    assert 348 <= columns[0] and columns[-1] <= 426  # all mistakes are in one column


def no_result(run_dir):
    (run_dir / "result.json").unlink()


def damaged(run_dir):
    (run_dir / "result.json").write_text('{"script": ')


def of_another_kind(run_dir):
    (run_dir / "result.json").write_text("[]")


def of_another_project(run_dir):
    text = (run_dir / "result.json").read_text()
    (run_dir / "result.json").write_text(text.replace("mnist_deep", "../../x"))


def without_checkpoint(run_dir):
    run_dir.rename(run_dir.with_name("other"))


def sheet_is_a_folder(run_dir):
    (run_dir / "fonts.png").mkdir()


def sheet_is_a_text(run_dir):
    (run_dir / "fonts.png").write_text("mine")


NO_RESULT = "run/result.json: not the result of a run ("
NO_FILE = (
    "--output=run/fonts.png: a folder, expected the path of a file, such as "
    "--output=run/fonts.png/file"
)
NO_PNG = (
    "--output=run/fonts.png: something else is there, expected nothing or a PNG file of this "
    "project; name another file"
)


def contents(folder):
    """Returns the bytes of each file below a folder, None for a folder, by path."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


MISTAKES = {
    no_result: NO_RESULT + "No such file or directory); name the folder of a run",
    damaged: NO_RESULT,
    of_another_kind: NO_RESULT,
    of_another_project: "run: a run of ../../x, expected one of this project's programs",
    without_checkpoint: "no checkpoint in it, says tf2_style",
    sheet_is_a_folder: NO_FILE,
    sheet_is_a_text: NO_PNG,
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_fonts_refuses(fonts, tmp_path, mistake):
    mistake(tmp_path / "run")
    before = contents(tmp_path)
    process = fonts("other" if (tmp_path / "other").exists() else "run", check=False)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith(MISTAKES[mistake]) and process.stderr.count("\n") == 1
    assert contents(tmp_path) == before


@pytest.mark.proof
def test_fonts_of_both_styles(fonts, project):
    assert fonts("run", "--style=both").stdout.endswith("both styles give the same answers\n")
    path = project / STYLES[1] / "mnist_deep.py"
    path.write_text(STAND_IN.replace("7 if", "2 if"))
    process = fonts("run", "--style=both", check=False)
    assert process.returncode == 1
    assert process.stdout.endswith("both styles give different answers\n")
