"""Numbers of other locales, rows in another order, and curves that are not what they seem.

Every right value was read off the text by hand.
"""

import json

import numpy as np
import pytest

from earlystop_lab import read_logs

VAL = [2.12, 1.81, 1.63, 1.71, 1.92]
TRAIN = [2.31, 1.94, 1.52, 1.13, 0.91]


def imported(tmp_path, text, name="log.csv", **options):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return read_logs(path, **options)


def checks(found, name="val"):
    """Position and value of the only run; nothing may be left out."""
    assert found.skipped == ()
    (curve,) = found.curves
    there = curve.measured(name)
    return [*zip(curve.epoch[there].tolist(), curve[name][there].tolist(), strict=True)]


def told(found):
    return " | ".join(note.text for note in found.notes)


def numbered(values):
    return [*enumerate(values, start=1)]


@pytest.mark.parametrize(
    ("text", "val", "note"),
    [
        ('step,val_loss\n"1,000",3\n"2,000",2\n', [(1000, 3), (2000, 2)], "'step' has ','"),
        ("step,val_loss\n500,3\n1'000,2\n1'500,1\n", [(500, 3), (1000, 2), (1500, 1)], '"\'"'),
        ("step;val_loss\n1\u202f000;2,5\n12\u202f000;1,5\n", [(1000, 2.5), (12000, 1.5)], "'step'"),
        # steps that go back as numbers go on as thousands
        ("step\tval_loss\n500\t2.5\n1.000\t1.5\n", [(500, 2.5), (1000, 1.5)], "'step' has '.'"),
        ("step\tval_loss\n0.5\t2.5\n1.000\t1.5\n", [(0.5, 2.5), (1, 1.5)], None),
        ("epoch\tval_loss\n1.000\t2.5\n2.000\t1.5\n", [(1, 2.5), (2, 1.5)], None),
        # beside decimal commas a point is none
        ("step;val_loss\n1.000;2,5\n20.000;1,5\n", [(1000, 2.5), (20000, 1.5)], "'step' has '.'"),
        ("epoch;val_loss\n1;2.345,60\n2;987,25\n", [(1, 2345.6), (2, 987.25)], "decimal commas"),
        (
            'epoch,val_loss\n1,"2,345.60"\n2,987.25\n',
            [(1, 2345.6), (2, 987.25)],
            "numbers have ','",
        ),
        (
            "epoch,val_loss\n1,2.5\n2,--\n3,<NA>\n4,#N/A\n5,missing\n6,1.5\n",
            [(1, 2.5), (6, 1.5)],
            None,
        ),
    ],
)
def test_numbers_of_other_locales(tmp_path, text, val, note):
    found = imported(tmp_path, text)
    assert checks(found) == val
    assert (note or "") in told(found)
    assert (note is None) == (found.notes == ())


@pytest.mark.parametrize(
    "stamps",
    [
        [f"2024-05-06T10:0{i}:00" for i in range(5)],
        [f"2024-05-06 1{i}:00" for i in range(5)],
        [1700000000.5 + 60 * i for i in range(5)],
    ],
)
def test_rows_without_positions_are_in_order_of_time(tmp_path, stamps):
    rows = [*zip(stamps, TRAIN, VAL, strict=True)]
    for order in ([4, 3, 2, 1, 0], [0, 2, 1, 4, 3]):
        text = "".join("{},{},{}\n".format(*rows[i]) for i in order)
        found = imported(tmp_path, "timestamp,train_loss,val_loss\n" + text)
        assert checks(found) == numbered(VAL)
        assert checks(found, "train") == numbered(TRAIN)
        assert "numbered in its order" in told(found)
        assert found.plan["unit"].tolist() == ["check"]
    text = "".join("{},{},{}\n".format(*row) for row in rows)
    assert imported(tmp_path, "timestamp,train_loss,val_loss\n" + text).notes == ()


def test_seconds_that_an_epoch_took_say_no_order(tmp_path):
    text = "".join(f"{12 - i}.5,{v}\n" for i, v in enumerate(VAL))
    assert checks(imported(tmp_path, "time,val_loss\n" + text)) == numbered(VAL)


def test_curves_in_blocks_without_positions(tmp_path):
    blocks = "".join(f"train_loss,{t}\n" for t in TRAIN) + "".join(f"val_loss,{v}\n" for v in VAL)
    found = imported(tmp_path, "metric,value\n" + blocks)
    assert checks(found) == numbered(VAL)
    assert checks(found, "train") == numbered(TRAIN)
    longer = imported(tmp_path, "metric,value\n" + "train_loss,2.5\n" + blocks)
    assert checks(longer) == numbered(VAL)
    assert {*longer.curves[0].channels} == {"val"}
    assert "train_loss cannot be aligned and are left out" in told(longer)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("carried.csv", "".join(f"{i},{3 - i / 10},{VAL[i // 4]}\n" for i in range(20)),
         "for 4 checks"),
        ("minus.csv", "1,2.3,-1\n2,1.9,-1\n3,1.5,1.63\n4,1.1,1.71\n",
         "line 2 and 1 more: 'val' is -1"),
        ("zeros.csv", "".join(f"{i},2,{VAL[i // 4] * (i % 4 == 0)}\n" for i in range(20)),
         "'val' is exactly 0"),
        ("error.csv", "1,1,0.5\n2,1,0.25\n3,1,0\n4,1,0\n5,1,0\n6,1,0\n", None),
        ("gains.csv", "1,1,-1\n2,1,-2\n3,1,0.5\n", None),
    ],
)  # fmt: skip
def test_values_that_may_not_have_been_measured_are_named(tmp_path, name, text, said):
    found = imported(tmp_path, "step,train,val\n" + text, name)
    rows = [line.split(",") for line in text.splitlines()]
    assert checks(found) == [(float(at), float(val)) for at, _, val in rows]
    assert (said or "") in told(found)
    assert (said is None) == (found.notes == ())


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("val_error", [0.59, 0.48, 37.0, 39.0], "from 0.48 to 37 at epoch 3, as from a share of 1"),
        ("val_error", [59.0, 48.0, 0.37, 0.39], "from 48 to 0.37 at epoch 3, as from percent to"),
        ("val_error", [0.59, 0.48, 0.37, 39.0], ""),
        ("val_loss", [0.59, 0.48, 37.0, 39.0], ""),
        ("val_error", [0.2, 0.9, 8.5, 12.0], ""),
    ],
)
def test_shares_that_become_percentages_are_named(tmp_path, column, values, said):
    text = f"epoch,{column}\n" + "".join(f"{e},{v}\n" for e, v in numbered(values))
    found = imported(tmp_path, text)
    assert checks(found) == numbered(values)
    assert said in told(found)
    assert bool(said) == bool(found.notes)


def test_shares_in_one_file_and_percentages_in_another_are_named(tmp_path):
    for name, values in {"a": (0.6, 0.7), "b": (60, 71)}.items():
        text = "".join(f"{e},{v}\n" for e, v in numbered(values))
        imported(tmp_path, "epoch,val_acc\n" + text, f"{name}.csv")
    found = read_logs(tmp_path, val="val_acc", mode="max")
    assert [curve.val.tolist() for curve in found.curves] == [[0.6, 0.7], [60, 71]]
    assert "val is at most 0.7 here, but up to 71 in b.csv" in told(found)
    # there is no best possible value for GL to divide by
    assert found.curves.about("val").upper is None
    alone = read_logs(tmp_path / "b.csv", val="val_acc", mode="max")
    assert (alone.curves.about("val").upper, alone.notes) == (100, ())


def test_percent_signs_of_a_printed_log(tmp_path):
    lines = "Epoch 1: train_error 0.6 val_error 59%\nEpoch 2: train_error 0.5 val_error 48.5%\n"
    found = imported(tmp_path, lines, "a.log")
    assert checks(found) == [(1, 59), (2, 48.5)]
    assert "'val_error' is in percent, but 'train_error' is not" in told(found)
    # 0.41 and 61% would be one curve of two units
    mixed = imported(tmp_path, "Epoch 1: val_error 0.61\nEpoch 2: val_error 41%\n", "b.log")
    assert [(each.line, each.reason) for each in mixed.skipped] == [
        (2, "column 'val_error': '41%' is not a number")
    ]


def test_a_run_that_was_resumed_into_another_file_is_named(tmp_path):
    parts = {"version_0/metrics.csv": (0, 3), "version_1/metrics.csv": (3, 5)}
    for name, (begin, end) in parts.items():
        rows = "".join(f"{i},{10 * i + 9},{VAL[i]}\n" for i in range(begin, end))
        imported(tmp_path, "epoch,step,val_loss\n" + rows, name)
    found = read_logs(tmp_path)
    assert [curve.epoch.tolist() for curve in found.curves] == [[1, 2, 3], [4, 5]]
    (note,) = [note for note in found.notes if "resumed" in note.text]
    assert note.file == "version_1/metrics.csv"
    assert note.text.startswith("begins at epoch 4, where version_0/metrics.csv ends")
    # runs that are validated every fifth epoch begin at the fifth
    for name in parts:
        imported(tmp_path, "epoch,val_loss\n5,2\n10,1\n", name)
        (tmp_path / name).with_name("other.csv").write_text("epoch,val_loss\n5,3\n10,2\n15,1.5\n")
    assert "resumed" not in told(read_logs(tmp_path))


def test_the_means_of_a_wandb_chart_are_named(tmp_path):
    header = "Step,a - val_loss,a - val_loss__MIN,a - val_loss__MAX\n"
    group = imported(tmp_path, header + "0,2.12,2.0,2.2\n10,1.81,1.81,1.81\n")
    assert checks(group) == [(0, 2.12), (10, 1.81)]
    assert "minimum below its maximum in 1 of 2 rows" in told(group)
    assert told(imported(tmp_path, header + "0,2.12,2.12,2.12\n10,1.81,1.81,1.81\n")) == ""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        # Aim's metric.dataframe() with names, contexts and runs, and Comet's get_metrics()
        ("aim.csv", "idx,step,value,run.hash,metric.name,metric.context.subset\n" + "".join(
            f"{i},{i},{v},a1,loss,{of}\n"
            for of, values in (("val", VAL), ("train", TRAIN)) for i, v in enumerate(values))),
        ("comet.json", json.dumps([
            {"metricName": name, "metricValue": str(v), "step": i, "runContext": context}
            for name, context, values in (("val_loss", "validate", VAL), ("loss", "train", TRAIN))
            for i, v in enumerate(values)])),
    ],
)  # fmt: skip
def test_tables_of_one_number_a_row_from_trackers(tmp_path, name, text):
    found = imported(tmp_path, text, name)
    assert checks(found) == [*enumerate(VAL)]
    assert checks(found, "train") == [*enumerate(TRAIN)]


def test_a_table_of_one_set_alone(tmp_path):
    rows = "".join(f"{i},{v},loss,val\n" for i, v in enumerate(VAL))
    found = imported(tmp_path, "step,value,metric.name,metric.context.subset\n" + rows)
    assert checks(found) == [*enumerate(VAL)]
    assert "used as val" not in told(found)


def test_a_count_of_a_set_is_no_curve(tmp_path):
    rows = "".join(
        f"{i},{10 * i},{t},{v}\n" for i, (t, v) in enumerate(zip(TRAIN, VAL, strict=True))
    )
    found = imported(tmp_path, "step,train/idx,train/loss,val/loss\n" + rows)
    assert checks(found, "train") == [*enumerate(TRAIN)]


@pytest.mark.parametrize(
    "template",
    [
        # lgb.train of R, and what R's print() makes of any text
        "[{e}]:  train's l2:{t}  valid's l2:{v}\n",
        "[1] \"[{e}]:  train's l2:{t}  valid's l2:{v}\"\n",
        '[1] "Epoch {e}: train loss {t}, val loss {v}"\n',
        '[1] "Epoch {e}:\\ttrain loss {t}\\tval loss {v}"\n',
        # Julia's @info
        "[ Info: Epoch: {e} \t Train Loss: {t} \t Val Loss: {v}\n",
    ],
)
def test_what_r_and_julia_print(tmp_path, template):
    rows = zip(TRAIN, VAL, strict=True)
    text = "".join(template.format(e=e, t=t, v=v) for e, (t, v) in enumerate(rows, start=1))
    found = imported(tmp_path, text, "train.log")
    assert checks(found) == numbered(VAL)
    assert checks(found, "train") == numbered(TRAIN)


def test_lightning_s_checkpoints_are_no_curve(tmp_path):
    said = (
        "Epoch 0, global step 9: 'val_loss' reached 2.12000 (best 2.12000), saving model to '/a/b' "
        "as top 1\nEpoch 1, global step 19: 'val_loss' was not in top 1\n"
    )
    assert not len(imported(tmp_path, said, "a.log").curves)
    printed = "Epoch 0: 100%|##| 9/9 [00:01<00:00, 9.1it/s, train_loss=2.31, val_loss=2.12]\n"
    found = imported(tmp_path, printed + said, "b.log")
    assert {*found.curves[0].channels} == {"val", "train"}


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("val_neg_log_lik", "min"),
        ("val_neg_loglik", "min"),
        ("negative_log_prob", "min"),
        ("val_neg_elbo", "min"),
        ("neg_mean_squared_error", "max"),
        ("neg_brier_score", "max"),
        ("val_loglik", "max"),
        ("neg_pairs", None),
    ],
)
def test_the_direction_of_a_negated_metric(tmp_path, name, direction):
    text = f"epoch,val_loss,{name}\n" + "".join(f"{e},{v},{v}\n" for e, v in numbered(VAL))
    found = imported(tmp_path, text)
    assert found.curves.about(name).direction == direction
    np.testing.assert_array_equal(found.curves[0][name], VAL)


def test_a_download_of_a_random_thousand_of_tensorboard_s_values_is_named(tmp_path):
    rng = np.random.default_rng(0)
    steps = np.sort(rng.choice(3000, 1000, replace=False))
    for at, said in ((steps, True), (np.arange(0, 3000, 3), False), (steps[:-1], False)):
        values = np.abs(at - 1234) / 1000
        rows = "".join(f"1700000000,{s},{v}\n" for s, v in zip(at, values, strict=True))
        found = imported(tmp_path, "Wall time,Step,Value\n" + rows, "run-a-tag-val_loss.csv")
        assert checks(found) == [*zip(at.tolist(), values.tolist(), strict=True)]
        assert ("TensorBoard offers that many, chosen at random" in told(found)) == said
        points = json.dumps([[0, int(s), float(v)] for s, v in zip(at, values, strict=True)])
        again = imported(tmp_path / "json", points, "run-a-tag-val_loss.json")
        assert [note.text[-90:] for note in again.notes] == [n.text[-90:] for n in found.notes]


@pytest.mark.parametrize(
    ("cells", "noted"),
    [
        (("12s", "13s", "11s"), True),
        (("1.5 GB", "2 GB", "2.25 GB"), True),
        (("50 img/s", "", "60 img/s"), True),
        (("7B", "7B", "7B"), False),
        (("3a", "4f", "5c"), False),
        (("12:30:01", "12:31:02", "12:32:03"), False),
        (("12", "13", "11"), False),
        (("12%", "13%", "11%"), False),
    ],
)
def test_a_column_with_a_unit_in_every_cell_is_named_where_it_is_left_out(tmp_path, cells, noted):
    rows = "".join(f"{k},{0.9 / k},{cell}\n" for k, cell in enumerate(cells, 1))
    found = imported(tmp_path, f"epoch,val_loss,took\n{rows}")
    assert ("'took' has a unit behind every number" in told(found)) == noted
    assert found.curves[0].epoch.tolist() == [1, 2, 3]
    assert found.curves.has("took") == (cells[0] in ("12", "12%"))
