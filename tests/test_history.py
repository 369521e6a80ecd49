"""history.csv: whatever is read back is a history, or refused in one line."""

import math
import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import history
from shared.console import UserError

HEADER = (
    "epoch,step,learning_rate,training_loss,training_accuracy,validation_loss,validation_accuracy"
)
ROWS = ["1,13,0.001,0.5,0.9,0.6,0.8", "2,26,0.001,0.4,0.9,0.5,0.8", "3,39,0.001,0.3,0.9,0.4,0.8"]
FUZZED = 20_000


@st.composite
def histories(draw):
    """Rows as a run measures them, whatever its metrics."""
    metrics = draw(st.lists(st.sampled_from("abcdefg"), max_size=3, unique=True))
    names = ["loss", *metrics]
    held_out = draw(st.sampled_from(["validation", "test"]))
    columns = [f"{split}_{name}" for split in ("training", held_out) for name in names]
    epoch, step, rows = draw(st.integers(1, 50)), 0, []
    for number in range(draw(st.integers(1, 6))):
        step += draw(st.integers(1, 10**6))
        rate = draw(st.floats(0, 1e30))
        row = {"epoch": epoch + number, "step": step, "learning_rate": rate}
        rows.append(dict(row, **{name: draw(st.floats()) for name in columns}))
    return rows


def same(row, other):
    """Whether two rows have the same columns and the same bits."""
    return list(row) == list(other) and list(map(repr, row.values())) == list(
        map(repr, other.values())
    )


@given(rows=histories())
def test_what_is_written_is_read(tmp_path_factory, rows):
    path = str(tmp_path_factory.mktemp("history") / "history.csv")
    history.write(path, rows)
    assert all(map(same, history.read(path), rows))


def refused(path, content):
    """The message of the refusal of a file; None if it is read."""
    path.write_bytes(content)
    try:
        rows = history.read(str(path))
    except UserError as error:
        assert "\n" not in str(error) and len(str(error)) < 500 and error.exit_code == 2
        return str(error)
    # Whatever is let through can be used without a further check.
    assert rows and all(list(row) == list(rows[0]) for row in rows)
    for before, row in zip([None, *rows], rows):
        assert type(row["epoch"]) is type(row["step"]) is int and 0 < row["step"] < 10**18
        assert before is None or (row["epoch"] == before["epoch"] + 1)
        assert before is None or row["step"] > before["step"]
        assert math.isfinite(row["learning_rate"]) and row["learning_rate"] >= 0
        assert all(type(value) is float for value in list(row.values())[2:])
    return None


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (["epoch,step", "1,13"], "its columns are not those of a history"),
        ([HEADER.replace("validation", "test", 1), *ROWS], "its columns"),
        (
            [HEADER.replace("training_loss,training_accuracy", "training_accuracy,training_loss")],
            "c",
        ),
        ([HEADER + ",more", ROWS[0] + ",1"], "its columns"),
        ([], "its columns"),
        ([HEADER], "no rows"),
        ([HEADER, ROWS[0], ROWS[2]], "epoch 3 does not follow epoch 1"),
        ([HEADER, ROWS[0], ROWS[1].replace("26", "13")], "epoch 2 does not follow"),
        ([HEADER, ROWS[0][:9]], "a row of 3 values, expected 7"),
        ([HEADER, ROWS[0] + ",7"], "a row of 8 values, expected 7"),
        ([HEADER, "one" + ROWS[0][1:]], "epoch is 'one', expected a number"),
        ([HEADER, "9" * 5000 + ROWS[0][1:]], "epoch is '9999"),
        ([HEADER, ROWS[0].replace("0.5", "9" * 5000)], "training_loss is '9999"),
        ([HEADER, ROWS[0].replace("0.001", "1e999")], "learning rate below 0 or not finite"),
        ([HEADER, ROWS[0].replace("0.001", "-1")], "learning rate below 0 or not finite"),
        ([HEADER, ROWS[0].replace("13", "1_3")], "step is '1_3'"),
        ([HEADER, ROWS[0].replace("13", "\u0661")], "not ASCII"),
        ([HEADER, "0" + ROWS[0][1:]], "an epoch or step of 0"),
    ],
)
def test_what_is_no_history_is_refused(tmp_path, lines, fault):
    content = "".join(f"{line}\n" for line in lines).encode()
    assert fault in refused(tmp_path / "history.csv", content)


def test_every_cut_is_refused(tmp_path):
    """A file that ends early is refused, except where a whole row ends."""
    content = "".join(f"{line}\n" for line in [HEADER, *ROWS]).encode()
    for end in range(len(content)):
        is_whole = content[:end].count(b"\n") > 1 and content[:end].endswith(b"\n")
        assert (refused(tmp_path / "history.csv", content[:end]) is None) == is_whole


def test_a_huge_file_is_refused_without_reading_it(tmp_path):
    path = tmp_path / "history.csv"
    with open(path, "wb") as file:
        file.truncate(1 << 40)  # bytes; a sparse file takes no room
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="more than 67,108,864 bytes"):
            history.read(str(path))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_folder_in_its_place_is_refused(tmp_path):
    with pytest.raises(UserError, match="Is a directory"):
        history.read(str(tmp_path))


@pytest.mark.proof
def test_damaged_files(tmp_path):
    """Each is read or refused in one line; and of both kinds there are many."""
    content = "".join(f"{line}\n" for line in [HEADER, *ROWS]).encode()
    chance, path = random.Random(0), tmp_path / "history.csv"
    found = [refused(path, damaged(content, chance)) for _ in range(FUZZED)]
    assert 200 < found.count(None) < FUZZED / 2


def damaged(content, chance):
    """Content with one to four bytes or parts of it changed."""
    content = bytearray(content)
    tokens = (b"nan", b"inf", b"-", b"1e400", b"\0", b",", b"\n", b"9" * 400, b"\xff", b'"', b"\r")
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(content) + 1)
        end = start + chance.choice((0, 0, 1, 1, 5, 100))
        new = chance.choice(
            (b"", bytes([chance.randrange(256)]), chance.choice(tokens), content[start:end] * 2)
        )
        if chance.random() < 0.3:
            new = str(chance.choice((0, 1, -1, 2**63, 10**30, 0.5))).encode()
        content[start:end] = new
    return bytes(content)
