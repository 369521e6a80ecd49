"""The weights of --loss_weights: what they mean, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import loss_weights
from shared.console import UserError
from shared.flags import parse

NAMES = ("age", "income", "gender")
WEIGHTS = st.floats(0, 1e30, allow_nan=False)


@given(st.permutations(NAMES), st.lists(WEIGHTS, min_size=3, max_size=3))
def test_weights_in_any_order(order, weights):
    text = ",".join(f"{name}:{weight!r}" for name, weight in zip(order, weights))
    given_weights = dict(zip(order, weights))
    assert loss_weights.parse(text, NAMES) == [given_weights[name] for name in NAMES]


@given(st.text(alphabet="age:,1.incomdr -", max_size=30))
def test_any_text_is_read_or_refused(text):
    try:
        weights = loss_weights.parse(text, NAMES)
    except ValueError as error:
        assert "expected" in str(error)
    else:
        assert len(weights) == 3 and min(weights) >= 0


def test_no_weights_are_all_one():
    assert loss_weights.parse("none", NAMES) == [1, 1, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("age:1,income:1", "no weight for gender; expected one for each of age, income, gender"),
        ("age:1,income:1,sex:1", "there is no loss 'sex'; expected age, income, gender"),
        ("age:1,age:2", "age is there twice"),
        ("age:-1,income:1,gender:1", "age:-1: expected a weight from 0"),
        ("age:nan,income:1,gender:1", "age:nan: expected a weight"),
        ("age,income:1,gender:1", "age:: expected a weight"),
    ],
)
def test_weights_that_are_refused(text, message):
    """By the flag, so before anything is written."""
    defaults = {"epochs": 1, "batch_size": 1, "optimizer": "sgd", "learning_rate": 0.1}
    defaults["loss_weights"] = "age:0.25,income:1,gender:10"
    with pytest.raises(UserError, match=f"--loss_weights=.*{message}"):
        parse(["program", f"--loss_weights={text}"], "", **defaults)
