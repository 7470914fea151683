"""What is a post, and what is refused."""

import json
import math

import pytest
from hypothesis import given, strategies as st

from earlystop_lab import Channel
from earlystop_lab.live.watch.posts import (
    LARGEST_POST,
    Asked,
    Post,
    PostError,
    channels,
    check_of,
    from_json,
    named,
    read_post,
    to_json,
)

FORM, JSON = "application/x-www-form-urlencoded", "application/json"


def test_a_form_and_json_say_the_same():
    form = b"data=%7B%22epoch%22%3A+3%2C+%22val_loss%22%3A+0.5%7D"
    document = b'{"epoch": 3, "val_loss": 0.5}'
    assert read_post(FORM, form) == read_post(JSON, document) == Post(4.0, {"val_loss": 0.5})
    assert read_post("Application/JSON; charset=utf-8", document) == Post(4.0, {"val_loss": 0.5})


def test_a_diverged_epoch_is_a_measurement_and_null_is_none():
    text = b'{"epoch": 0, "loss": NaN, "val_loss": Infinity, "accuracy": null, "lr": -1e-3}'
    epoch, metrics = read_post(JSON, text)
    assert epoch == 1
    assert math.isnan(metrics.pop("loss"))
    assert metrics == {"val_loss": math.inf, "lr": -0.001}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[]", "expected an object"),
        (b"3", "expected an object"),
        (b'"epoch"', "expected an object"),
        (b"null", "expected an object"),
        (b'{"loss": 1}', "epoch None: expected a number"),
        (b'{"epoch": -1}', "epoch -1: expected"),
        (b'{"epoch": NaN}', "epoch nan: expected"),
        (b'{"epoch": Infinity}', "epoch inf: expected"),
        (b'{"epoch": 1e999}', "epoch '1e999': expected"),
        (b'{"epoch": 9007199254740992}', "epoch 9007199254740992"),
        (b'{"epoch": "3"}', "epoch '3': expected"),
        (b'{"epoch": true}', "epoch True: expected"),
        (b'{"epoch": [1]}', "epoch [1]: expected"),
        (b'{"epoch": 1, "epoch": 2}', "duplicate key 'epoch'"),
        (b'{"epoch": 1, "loss": "low"}', "metric 'loss': 'low' is not a number"),
        (b'{"epoch": 1, "loss": {"a": 1}}', "metric 'loss': "),
        (b'{"epoch": 1, "loss": true}', "metric 'loss': True is not a number"),
        (b'{"epoch": 1, "loss": 1e999}', "too large for a float"),
        (b'{"epoch": 1, "a\\u0000b": 1}', "metric 'a\\x00b'"),
        (b'{"epoch": 1, "' + b"a" * 101 + b'": 1}', "at most 100 characters"),
        (json.dumps({"epoch": 1, **{str(i): i for i in range(65)}}).encode(), "66 metrics"),
        (b"[" * 20000, "not valid JSON|nested too deeply"),
        (b"\xff\xfe", "UTF-8"),
        (b" " * (LARGEST_POST + 1), "bytes"),
        (b'{"epoch": ' + b"1" * 5000 + b"}", "expected a number"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_anything_else_is_refused_with_a_reason(body, reason):
    with pytest.raises(PostError) as refused:
        read_post(JSON, body)
    assert any(part in str(refused.value) for part in reason.split("|"))
    assert "\n" not in str(refused.value)
    assert refused.value.status == (413 if len(body) > LARGEST_POST else 400)


@pytest.mark.parametrize(
    "body", [b"", b"data", b"other=1", b"data=1&data=2", b"&" * 50, b"data=%ff", b"a=1&" * 50]
)
def test_a_form_without_its_one_field_is_refused(body):
    with pytest.raises(PostError) as refused:
        read_post(FORM, body)
    assert refused.value.status == 400


@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data; boundary=x", "text/html"])
def test_other_kinds_of_content_are_refused(kind):
    with pytest.raises(PostError) as refused:
        read_post(kind, b'{"epoch": 1, "loss": 1}')
    assert refused.value.status == 415


@given(st.sampled_from([FORM, JSON, "text/plain"]), st.binary() | st.text().map(str.encode))
def test_no_body_does_anything_but_be_refused_or_read(kind, body):
    try:
        epoch, status = read_post(kind, body).epoch, 400
    except PostError as error:
        epoch, status = 1, error.status
    assert epoch >= 1
    assert 400 <= status < 500


@pytest.mark.parametrize("name", ["a", "0", "net-3_lr=1e-3,seed+1@x.y", "A" * 80])
def test_names_of_runs(name):
    assert named(name) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".hidden", "-o", "a/b", "a\\b", "a b", "a\n", "A" * 81, "<b>", "ü", "a\0", "~"],
)
def test_names_that_no_run_has(name):
    with pytest.raises(PostError, match="expected a name"):
        named(name)


@pytest.mark.parametrize(
    ("metrics", "asked", "expected"),
    [
        ("loss val_loss", Asked(), ("val_loss", "loss", "min")),
        ("accuracy loss val_accuracy val_loss", Asked(), ("val_loss", "loss", "min")),
        ("loss", Asked(), ("loss", None, "min")),
        ("accuracy val_accuracy", Asked(mode="max"), ("val_accuracy", "accuracy", "max")),
        ("loss a b", Asked(val="b", train="a"), ("b", "a", "min")),
    ],
)
def test_which_metrics_become_the_curves(metrics, asked, expected):
    found = channels(metrics.split(), asked)
    val, train = found["val"], found.get("train", Channel())
    assert (val.source, train.source, val.direction) == expected
    assert train.direction in (None, val.direction)
    assert found["epoch"] == Channel(unit="epoch")
    assert from_json(json.loads(json.dumps(to_json(found)))) == found


def test_what_is_known_of_channels_is_what_an_import_knows():
    metrics = ["loss", "val_loss", "val_accuracy", "learning_rate", "seconds"]
    found = channels(metrics, Asked(), ["val_accuracy", "lr", "grad_norm"])
    assert found == {
        "epoch": Channel(unit="epoch"),
        "val": Channel("val", "min", metric="loss", source="val_loss", stand_in=False),
        "train": Channel("train", "min", metric="loss", source="loss"),
        "val_accuracy": Channel("val", "max", metric="accuracy", source="val_accuracy"),
        "lr": Channel(source="learning_rate"),
    }
    assert channels(["loss"], Asked())["val"].stand_in


@pytest.mark.parametrize(
    ("metrics", "asked", "reason"),
    [
        ("val_accuracy", Asked(), "mode='max'"),
        ("lr", Asked(), "no column looks like a validation error"),
        ("loss", Asked(val="nosuch"), "no column 'nosuch'"),
    ],
)
def test_metrics_of_which_none_can_be_a_curve(metrics, asked, reason):
    with pytest.raises(PostError, match=reason):
        channels(metrics.split(), asked)


def test_a_check_is_where_the_validation_error_was_measured():
    chosen = channels(["val_accuracy", "accuracy"], Asked(mode="max"))
    check = check_of(Post(2.0, {"val_accuracy": 0.5, "accuracy": 0.75}), chosen)
    assert check == {"epoch": 2.0, "val": 0.5, "train": 0.75}
    assert check_of(Post(2.0, {"accuracy": 0.75}), chosen) is None
    assert check_of(Post(2.0, {"val_accuracy": 0.5}), chosen) == {"epoch": 2.0, "val": 0.5}
