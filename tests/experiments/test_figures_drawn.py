"""Committed figures are what the code draws from committed data."""

import matplotlib.pyplot as plt
import pytest
from PIL import Image

from earlystop_lab.report.style import digest
from experiments.figures import DRAWN, ELSEWHERE, FIGURES, figure, main


@pytest.fixture(autouse=True)
def _figures():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


@pytest.mark.parametrize("name", DRAWN)
def test_a_committed_figure_is_what_the_code_draws(name, request):
    if name.startswith("gallery-"):
        request.getfixturevalue("recorded")
    try:
        drawn = digest(figure(name))
    except FileNotFoundError as error:
        assert name.removeprefix("gallery-") in ELSEWHERE
        pytest.skip(str(error))
    assert Image.open(FIGURES / f"{name}.png").text["Drawn"] == drawn


def test_what_is_not_in_a_checkout_is_left_with_a_reason(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("EARLYSTOP_CORPORA", raising=False)
    main(["gallery-taskset", "--out", str(tmp_path)])
    said = capsys.readouterr().out
    assert said.startswith("gallery-taskset: left as it is: taskset is not part of a checkout: set")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SystemExit):
        main(["galery"])
    assert "no figure galery; expected some of front, profiles" in capsys.readouterr().err


def test_every_committed_figure_has_code_that_draws_it():
    study = ("run", "slowness_by_problem", "badness_by_problem", "tradeoff", "tradeoff_by_problem",
             "topologies")  # fmt: skip
    assert {path.stem for path in FIGURES.iterdir()} == {*DRAWN, *study}
