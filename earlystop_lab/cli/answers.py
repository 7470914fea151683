"""Commands that answer a question from recorded runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import earlystop_lab as es
from earlystop_lab._common.checks import one_of
from earlystop_lab._common.terminal import say
from earlystop_lab._common.wording import counted, listed
from earlystop_lab.cli._given import (
    Jobs,
    Json,
    NoCache,
    Out,
    ending,
    kept_results,
    number,
    share,
    show,
)
from earlystop_lab.cli.curves import curves_or_logs

if TYPE_CHECKING:
    import pandas as pd

    from earlystop_lab.studies.recommendation import Recommendation

#: the endings of pictures
PICTURES = (".png", ".pdf", ".svg")


def reproduce_command(
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            help="Folder for tables and figures; by default results/ of the checkout, or of the "
            "current folder.",
        ),
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option(
            help="Name of a corpus recorded like the study; by default prechelt1997, or where it "
            "is missing the part of it that is in the package."
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Folder with curves/ and reference/, or the URL of one; by default the one that "
            "the environment variable EARLYSTOP_DATA names, or data/ of the checkout.",
        ),
    ] = None,
    proben1: Annotated[
        Path | None,
        typer.Option(
            help="Folder with PROBEN1's .dt files: first train all 1296 runs anew from them (about "
            "35 minutes on one core), into curves/ of the output; by default results/from-raw/ of "
            "the checkout. If interrupted, rerun the same command to resume."
        ),
    ] = None,
    n_jobs: Jobs = -1,
    margin: Annotated[
        str,
        typer.Option(
            help="Criteria whose test errors differ by less than this share are equivalent."
        ),
    ] = "0.5%",
    json: Json = False,
) -> None:
    """Rerun Prechelt's 1997 study on recorded curves and compare it with the published numbers.

    Writes tables and figures.
    """
    from earlystop_lab.report import answer_as_json, in_words
    from earlystop_lab.report.prechelt1997 import folder_of, reproduce
    from earlystop_lab.sources.corpora.fetching import checkout, data_of, is_url
    from earlystop_lab.studies.prechelt1997 import MAIN

    within = share("--margin", margin)
    # results are written beside a folder that is named, or into the checkout
    beside = Path(data).resolve().parent if data and not is_url(data) else checkout()
    root = beside or Path.cwd()
    if proben1 is None:
        corpus, place = _recorded(corpus, data)
        folder = out or root / "results"
        figures = None if out or beside is None else beside / "figures"
        found = reproduce(place, folder, corpus, figures, margin=within)
    else:
        folder, corpus = out or root / "results" / "from-raw", corpus or MAIN
        place = data_of(corpus, data).resolve()
        curves = _trained(proben1, folder / "curves", corpus, n_jobs)
        found = reproduce(place, folder, corpus, curves=curves, margin=within)
    show(lambda: in_words(found), lambda: answer_as_json(found), json=json)
    folder = folder_of(folder, corpus)
    if not json:
        say(f"Tables in {folder}, figures in {folder / 'figures'}")


def _recorded(corpus: str | None, source: str | None) -> tuple[str, Path]:
    """The corpus to replay, and the folder of data that has it."""
    from earlystop_lab.sources.corpora.fetching import SMALL, MissingCorpusError, data_of
    from earlystop_lab.studies.prechelt1997 import MAIN

    name = corpus or MAIN
    try:
        place = data_of(name, source)
    except MissingCorpusError:
        if corpus is not None:
            raise
        name, place = SMALL, data_of(SMALL)
    return name, place.resolve()


def _trained(proben1: Path, folder: Path, corpus: str, n_jobs: int) -> Path:
    """The study's runs, trained from the raw data and recorded in a folder."""
    from earlystop_lab.sources.recording import record
    from earlystop_lab.sources.training import proben1_jobs
    from earlystop_lab.studies.prechelt1997 import MAIN

    if corpus != MAIN:
        raise ValueError(f"--corpus {corpus}: --proben1 trains {MAIN}; give one of the two options")
    if not proben1.is_dir():
        raise NotADirectoryError(
            f"--proben1 {proben1}: not a folder; expected the one with PROBEN1's .dt files"
        )
    path = folder / corpus
    record(proben1_jobs(proben1), path, n_jobs=n_jobs, progress=sys.stderr.isatty())
    return path


def recommend_command(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="Training logs or folders of logs, or a curve set (see earlystop import)."
        ),
    ],
    max_loss: Annotated[
        str | None,
        typer.Option(
            help="Goal: lose at most this share of the error (or score) on average, such as 2%. "
            "The default goal is 1%."
        ),
    ] = None,
    max_epochs: Annotated[
        float | None,
        typer.Option(help="Goal: at most this many epochs (steps, rounds) per run on average."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            help="Goal: best trade-off, given the extra training time (%) you would accept for 1% "
            "lower error."
        ),
    ] = None,
    absolute: Annotated[
        bool,
        typer.Option(
            "--absolute",
            help="--max-loss is in the unit of the error: for log-likelihoods and other errors "
            "whose zero is arbitrary.",
        ),
    ] = False,
    framework: Annotated[
        str | None,
        typer.Option(
            help="Keras, Lightning, Hugging Face, XGBoost, LightGBM, Ultralytics, scikit-learn SGD "
            "or MLP, or all; by default the one that wrote the logs."
        ),
    ] = None,
    refit: Annotated[
        bool,
        typer.Option(
            "--refit",
            help="Say instead how long to train on all data once a hold-out has stopped a "
            "training, from pairs of runs with the columns pair and share.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="Also write the answer: .txt, .json, or a picture, .png .pdf .svg."
        ),
    ] = None,
    json: Json = False,
    no_cache: NoCache = False,
) -> None:
    """Recommend a patience for runs like these, with its expected loss and savings.

    Prints one recommendation per goal, with code for Keras, Lightning, Hugging Face, XGBoost,
    LightGBM and scikit-learn. Runs without a validation curve are excluded, and the first line
    says so. If the runs do not support a recommendation, the command says why and exits with
    code 0.
    """
    from earlystop_lab.report import answer_as_json, in_words
    from earlystop_lab.report.as_data import answers_as_json
    from earlystop_lab.report.recommendation import answers_in_words
    from earlystop_lab.studies.recommendation import by_framework
    from earlystop_lab.studies.refits import refit as refit_of

    ending(out, ".txt", ".json", *PICTURES)
    limit = None
    if max_loss is not None:
        limit = (number if absolute else share)("--max-loss", max_loss)
    curves = curves_or_logs(paths)
    if refit:
        if goals := [
            name
            for name, goal in (
                ("--max-loss", max_loss),
                ("--max-epochs", max_epochs),
                ("--rate", rate),
                ("--absolute", absolute or None),
                ("--framework", framework),
            )
            if goal is not None
        ]:
            raise ValueError(f"{goals[0]}: --refit has no goal; give one of the two options")
        ending(out, ".txt", ".json")
        factor = refit_of(curves)
        show(lambda: in_words(factor), lambda: answer_as_json(factor), json=json, out=out)
        return
    kept = kept_results(no_cache)
    if framework is None:
        parts = by_framework(curves)
    else:
        parts = {None if framework == "all" else framework: curves}
    answers = [
        es.recommend(
            part,
            max_loss=limit,
            max_epochs=max_epochs,
            rate=rate,
            absolute=absolute,
            framework=name,
            kept=kept,
        )
        for name, part in parts.items()
    ]
    one = len(answers) == 1
    show(
        lambda: answers_in_words(answers, [*map(len, parts.values())]),
        lambda: answer_as_json(answers[0]) if one else answers_as_json(answers),
        json=json,
        out=None if out is not None and out.suffix in PICTURES else out,
    )
    if out is not None and out.suffix in PICTURES:
        _draw(answers, out)


def _draw(answers: list[Recommendation], out: Path) -> None:
    from earlystop_lab.report.advice_figure import draw_recommendation
    from earlystop_lab.report.style import drawn, save

    if len(answers) > 1:
        raise ValueError("--out: several frameworks have a picture each; choose one: --framework")
    with drawn("screen", "page"):
        save(draw_recommendation(answers[0]), out)


def calibrate_command(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="CURVES... RULE",
            help="A curve set, or training logs or folders of logs; and last a family such as "
            "Keras, or a criterion such as 'GL(1, k=1)' whose parameters are kept.",
        ),
    ],
    at_most: Annotated[
        str,
        typer.Option(
            help="Limit of the mean loss of new runs; with --exceed, of the share of runs."
        ),
    ] = "2%",
    cap: Annotated[
        str | None,
        typer.Option(help="Largest loss that counts; by default ten times --at-most."),
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(
            help="Guarantee the loss in test error, with this probability, such as 0.9, over "
            "calibration sets."
        ),
    ] = None,
    exceed: Annotated[
        str | None,
        typer.Option(help="Bound the share of runs that lose more than this, not the mean."),
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(help="run or dataset: what is new; by default dataset if there are several."),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the order in which --confidence takes the runs.")
    ] = 0,
    out: Out = None,
    json: Json = False,
) -> None:
    """Find the fastest threshold of a rule whose loss on new runs is bounded, with a guarantee.

    The guarantee assumes that new runs are like these; the answer says what speaks against it. If
    nothing can be guaranteed with these runs, the command says what would help and exits with
    code 2.
    """
    from earlystop_lab.criteria import FAMILIES, Combination
    from earlystop_lab.report import answer_as_json, in_words

    ending(out, ".txt", ".json")
    *files, rule = map(str, paths)
    if not files:
        raise ValueError(f"calibrate {rule}: expected curves or logs, and then a rule")
    # a name alone is that of a family, or misspelt
    family = FAMILIES[one_of("RULE", rule, FAMILIES)] if rule.isidentifier() else es.parse(rule)
    if isinstance(family, Combination):
        raise ValueError(f"{rule}: a combination has no threshold; expected a single rule")
    found = es.calibrate(
        curves_or_logs([Path(file) for file in files]),
        family,
        share("--at-most", at_most),
        cap=None if cap is None else share("--cap", cap),
        confidence=confidence,
        exceed=None if exceed is None else share("--exceed", exceed),
        unit=unit,  # type: ignore[arg-type]
        seed=seed,
    )
    show(lambda: in_words(found), lambda: answer_as_json(found), json=json, out=out)


def survey_command(
    curves: Annotated[
        Path, typer.Argument(help="A curve set or training logs: a file or a folder.")
    ],
    corpus: Annotated[
        str | None,
        typer.Option(help="CURVES is a copy of this corpus; see earlystop corpus list."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            help="Also write the table: .csv, .json, .txt, or for a paper .tex (LaTeX) or .typ.",
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(min=1, help="Only so many rules: those of the lowest regret."),
    ] = None,
    json: Json = False,
    n_jobs: Jobs = -1,
    no_cache: NoCache = False,
) -> None:
    """Replay every rule at its usual threshold: share of runs stopped, time and regret of each.

    A patience counts checks, not epochs. Below the table it says how many runs are censored (their
    lowest validation error is at their last check), how many diverged (an error is NaN or
    infinite), and for how many the regret is a lower bound.
    """
    from earlystop_lab.report import as_csv, as_json
    from earlystop_lab.report.surveys import best_of_survey, survey_table
    from earlystop_lab.sources.corpora import read_corpus
    from earlystop_lab.studies.surveys import survey

    ending(out, ".csv", ".json", ".txt", ".tex", ".typ")
    known = curves_or_logs([curves]) if corpus is None else read_corpus(corpus, curves).curves
    found = survey(known, n_jobs=n_jobs, kept=kept_results(no_cache))
    if top is not None:
        found = best_of_survey(found, top)
    show(
        lambda: _survey_in_words(found),
        lambda: as_json(found),
        json=json,
        out=out,
        forms={
            ".csv": lambda: as_csv(found),
            ".tex": lambda: survey_table(found, "tex", top),
            ".typ": lambda: survey_table(found, "typ", top),
        },
    )


def _survey_in_words(found: pd.DataFrame) -> str:
    """The table, and what its numbers are over."""
    shown = found[found["runs"] > 0]
    parts = [shown.to_string(index=False, float_format="{:.4g}".format)]
    if lacking := list(found.loc[found["runs"] == 0, "criterion"]):
        parts.append(
            f"left out: {listed(lacking)}; no run has all channels that they watch, or they divide "
            "by an error and the upper bound of the scores is unknown"
        )
    whole = found.iloc[int(found["runs"].argmax())]
    parts.append(
        f"{counted(len(found), 'rule')} over {counted(whole['runs'], 'run')}, of which "
        f"{whole['censored']} are censored and {whole['diverged']} diverged; regret is over the "
        f"{whole['val_runs']} runs (test: {whole['test_runs']}) whose errors are finite and not 0"
    )
    if whole["late"]:
        at_target = f" ({whole['at_target']} ended at a target)" if whole["at_target"] else ""
        parts.append(
            f"{whole['late']} of these runs ({whole['late'] / whole['runs']:.0%}) have their "
            f"lowest validation error in the last tenth of the run{at_target}, so the regret on "
            "them is a lower bound"
        )
    if whole["stand_ins"]:
        parts.append(
            f"{whole['stand_ins']} of these runs have a training curve in place of a validation "
            "curve, which cannot say when to stop"
        )
    return "\n".join(parts)
