"""The recorded corpora are what their data cards say."""

import hashlib
import os
import re
from pathlib import Path

import numpy as np
import pytest

from earlystop_lab import read_curves
from earlystop_lab.curves.datasets import SHARED
from earlystop_lab.sources.proben1 import DATASETS
from earlystop_lab.sources.recording import record
from earlystop_lab.sources.training import Rprop, proben1_jobs

ROOT = Path(__file__).resolve().parents[2]
CURVES = ROOT / "data" / "curves"
CORPORA = {"prechelt1997": Rprop(), "prechelt1997-init005": Rprop(init=0.05)}
#: ten quick runs from all over the study: data set, hidden layers, output
AGAIN = [
    ("cancer1", (2,), "linear"),
    ("cancer3", (4, 2), "sigmoid"),
    ("glass1", (8,), "linear"),
    ("glass2", (2, 2), "linear"),
    ("glass3", (16, 8), "sigmoid"),
    ("horse1", (4,), "linear"),
    ("card2", (2,), "sigmoid"),
    ("diabetes2", (4, 4), "linear"),
    ("heart3", (2,), "linear"),
    ("flare1", (2,), "sigmoid"),
]


@pytest.fixture(params=CORPORA)
def corpus(request):
    return CURVES / request.param


def test_files_have_the_checksums_of_the_data_card(corpus):
    listed = dict(
        re.findall(r"`(\w+\.parquet)` \| `([0-9a-f]{64})`", (corpus / "README.md").read_text())
    )
    found = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in corpus.glob("*.parquet")}
    assert found == listed


def test_corpus_is_the_whole_study(corpus):
    curves = read_curves(corpus)
    meta = curves.meta
    assert len(curves) == 1296
    assert list(meta["data_file"].unique()) == list(DATASETS)
    # hearta has the examples of heart; scikit-learn's diabetes is other data
    assert set(meta["dataset"]) == set(meta["problem"]) - {"hearta", "diabetes"} | {"pima"}
    assert set(meta["dataset"]) <= set(SHARED)
    assert curves.about("epoch").unit == "epoch"
    assert (meta.groupby(["data_file", "topology", "output"]).size().unstack() == [2, 1]).all(
        axis=None
    )
    assert (meta["init"] == CORPORA[corpus.name].init).all()
    for name in ("train", "val", "test"):
        channel = curves.channel(name)
        assert (np.diff(channel.offsets) == 3000).all()
        assert np.isfinite(channel.values).all()
        assert curves.table.schema.field(name).type.value_type == "float"


def test_no_file_is_large():
    sizes = [f.stat().st_size for f in CURVES.rglob("*.parquet")]
    assert max(sizes) <= 10e6
    assert sum(sizes) <= 75e6


def test_ten_runs_trained_again_give_the_same_bytes(corpus, tmp_path):
    data = Path(os.environ.get("PROBEN1_DIR", ROOT.parent / "shared" / "proben1"))
    if not data.is_dir():
        pytest.skip("no PROBEN1 data: set PROBEN1_DIR to a folder with its .dt files")
    recorded = read_curves(corpus).table
    for dataset, hidden, output in AGAIN:
        jobs = proben1_jobs(
            data,
            datasets=[dataset],
            topologies=[hidden],
            outputs=[output],
            runs=1,
            rprop=CORPORA[corpus.name],
        )
        again = record(jobs, tmp_path / f"{dataset}.parquet").table
        row = recorded.column("run").to_pylist().index(jobs[0].meta["run"])
        assert again.equals(recorded.slice(row, 1).select(again.column_names).combine_chunks())
