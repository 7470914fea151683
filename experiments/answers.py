"""Open questions about stopping, answered from recorded curves: tables, figures and the page.

    python -m experiments.answers [NAME ...]

looks into the questions of that name, by default all: it writes ``data/studies/NAME.csv``,
draws ``figures/NAME.png``, and makes ``docs/questions.md`` and ``data/studies/answers.csv`` of all
tables. Questions about corpora that are not part of a checkout need a folder with their copies in
EARLYSTOP_CORPORA; without it their tables are left as they are. ``--page`` only makes the last two.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence

import matplotlib
import pandas as pd

from earlystop_lab._common.files import written_text
from earlystop_lab.report.as_tables import as_markdown
from earlystop_lab.report.plots import drawn, save
from experiments import (
    attainable,
    refits,
    rules_fitted,
    rules_tried,
    seconds,
    short_studies as short,
)
from experiments.studies import ROOT, STUDIES, Study, study, written_csv

PAGE = ROOT / "docs" / "questions.md"

#: every question by the name of its table and figure
QUESTIONS: dict[str, Study] = {
    "minima": Study(
        "How many minima has a validation curve, and what does the lowest gain over the first?",
        short.look_at_minima,
        short.told_of_minima,
        short.drawn_minima,
        "All runs of seven corpora with at least 20 checks and finite errors, means over data sets "
        "of "
        "means over their runs, geometric for ratios.",
        "4 s",
    ),
    "overstated": Study(
        "Does validation regret say what stopping costs?",
        short.look_at_overstated,
        short.told_of_overstated,
        short.drawn_overstated,
        "Runs with a test error at every check; validation regret is against the lowest error of "
        "the "
        "whole record, test errors are compared at the checks with the lowest validation error.",
        "2 s",
    ),
    "schedules": Study(
        "Do scheduled learning rates pay late, so that patience is dearer?",
        short.look_at_schedules,
        short.told_of_schedules,
        short.drawn_schedules,
        "Networks of tabular-nets and modern-nets by the schedule they were trained with, "
        "Keras(10). Runs "
        "of different schedules also differ in other settings.",
        "1 s",
    ),
    "monitors": Study(
        "Should one watch the loss or the accuracy?",
        short.look_at_monitors,
        short.told_of_monitors,
        short.drawn_monitors,
        "Keras(5), (10) and (20) on the validation loss, which also selects, against the same on "
        "the "
        "validation score. lcbench-surrogate (draws of a surrogate model) and algoperf are judged "
        "by test "
        "scores.",
        "4 s",
    ),
    "transfer": Study(
        "How many data sets does a patience need that is to be used on others?",
        short.look_at_transfer,
        short.told_of_transfer,
        short.drawn_transfer,
        f"{short.DRAWS} random choices of data sets (seed 0) for each number; the patience with "
        "the least "
        "mean cost on them is used on the others. Intervals over the data sets that it is used on; "
        "they are "
        "wide where one data set dominates.",
        "2 s",
    ),
    "rules_of_1997": Study(
        "Do the rules of thumb of 1997 hold on newer curves?",
        short.look_at_1997,
        short.told_of_1997,
        short.drawn_1997,
        "The fourteen criteria of the study; families at equal time, mean over eight times from 5% "
        "to 50% of "
        "the record.",
        "3 s",
    ),
    "defaults": Study(
        "What do the default patiences of libraries cost?",
        short.look_at_defaults,
        short.told_of_defaults,
        short.drawn_defaults,
        "Every rule counts checks. Cost is the change of the test error that is kept, against "
        "training to the "
        "end.",
        "4 s",
    ),
    "seconds": Study(
        "How often should one evaluate, if evaluation takes time?",
        seconds.look,
        seconds.answer,
        seconds.draw,
        "Patience of 1 to 100 evaluations, the best of these for each spacing and price of an "
        "evaluation in epochs of training; what is kept is the best of what was evaluated. "
        "Thresholds are chosen on the data sets that they are judged on.",
        "5 s",
    ),
    "attainable": Study(
        "How good can stopping be, and how far is every rule from it?",
        attainable.look,
        attainable.answer,
        attainable.draw,
        "Three families with a known law (12000 runs of 20 seeds each, exact bound by dynamic "
        "programming), two simulators (1500 runs, seed 2; without an exact bound, as their runs "
        "differ in several continuous hidden numbers, of which no table of beliefs can be "
        "made) and five corpora. Thresholds and policies are judged out of sample, in five folds "
        "(seed 0); the form of the policies, one of some 60 that were tried, was chosen on other "
        "runs of the three families and on four of these corpora (not on TaskSet), so that what "
        "they take on these on other runs of the same problem is somewhat optimistic.",
        "30 s",
    ),
    "rules_tried": Study(
        "Is there a simple rule that takes what is attainable?",
        rules_tried.look,
        rules_tried.answer,
        rules_tried.draw,
        "Costs against training to the end, thresholds chosen in five folds of data sets (seed 0) "
        "for "
        "tried and known rules alike. Better than every known rule: the interval of the difference "
        "to "
        "each lies below 0; they are eight of the rules of this project, and what does not beat "
        "these does not beat all. The code of each is in "
        "`experiments/rules_tried.py`; none is offered as a rule.",
        "20 s",
    ),
    "rules_fitted": Study(
        "Does a rule take it whose numbers were fitted on other corpora?",
        rules_fitted.look,
        rules_fitted.answer,
        rules_fitted.draw,
        "Members of the first family count checks since the best one, or of these only those not "
        "below the one before (rising), over a power of all checks and a power of the noise; "
        "patience and Weka's rule are among them. Mixtures weigh the logarithms of the checks "
        "since the best one (wait), of the excess over it in units of the noise (height), and of "
        "the rises since then (rise). Numbers are chosen by the mean over the other corpora of the "
        "difference from patience at equal time; the verdicts are those of `bench` on the corpus "
        "that was left out, against every known rule that can be compared there. The form of the "
        "first family was found with these corpora in sight, after about 100 members of a wider "
        "one (height over noise, tolerance, gain since half of the checks) and regressions of the "
        "gain of the next doubling of time, of which none had a lower mean than every known rule "
        "on a corpus that it was not fitted on; mixtures were tried once. What bounds them: the "
        "policies of the question about what is attainable, which see eleven features, are not "
        "shown to beat the best rule on other data sets either, but for TaskSet. The code is in "
        "`experiments/rules_fitted.py`.",
        "2.5 min",
    ),
    "refits": Study(
        "Stop on a hold-out, then train on all data: for how long?",
        refits.look,
        refits.answer,
        refits.draw,
        "Pairs of trainings on 22 tables, two models and two seeds each: t is the epoch or round "
        "with "
        "the lowest validation error on 80% of the data (f = 20% held out), then all data are "
        "trained "
        "on. `python -m experiments.record_refits` trains them (five minutes).",
        "1 s",
    ),
    "yolo": Study(
        "How do users of YOLO stop?",
        short.look_at_yolo,
        short.told_of_yolo,
        short.drawn_yolo,
        "Statistics of public results of Ultralytics and YOLOv5 trainings of at least 10 epochs, "
        "mostly hobby "
        "and course work. Clusters are repositories. A run that was stopped by its own patience is "
        "censored by "
        "it.",
        "1 s",
    ),
}


#: what these studies cannot say
_MISSING = (
    "Of language models there are public curves without a test set, or of one seed a setting; a "
    "corpus with both was left out, since no GPU was at hand to record it. Evaluation in seconds "
    "is known apart from training only in the logs of AlgoPerf."
)
#: where a sentence ends and the next begins
_SENTENCE = re.compile(r"(?<=\.) (?=[A-Z])")


def answers() -> pd.DataFrame:
    """Every question with its answer, for the paper."""
    rows = [
        {"name": name, "question": asked.question, "answer": asked.answer(study(name))}
        for name, asked in QUESTIONS.items()
    ]
    return pd.DataFrame(rows)


def page() -> str:
    """The page of questions and answers, from the tables of ``data/studies``."""
    parts = [
        "# Questions that recorded curves answer\n\n"
        "Generated by `python -m experiments.answers --page` from the tables in `data/studies/`. "
        "`make studies` looks into all questions again, where the corpora are. Brackets are 95% "
        "intervals "
        "over data sets (symmetric bootstrap-t, seed 0): if one contains no change, nothing is "
        "shown. Where "
        "fewer than six data sets were recorded there is none. A negative answer is an answer. "
        "Times are of one run of all questions, which takes four minutes.\n",
        "| question | answer | command | processor time |\n|---|---|---|---|",
    ]
    for name, asked in QUESTIONS.items():
        link = f"[{asked.question}](#{_label(name)})"
        first = _SENTENCE.split(asked.answer(study(name)))[0]
        command = f"`python -m experiments.answers {name}`"
        parts.append(f"| {link} | {as_markdown(first)} | {command} | {asked.takes} |")
    for name, asked in QUESTIONS.items():
        parts.append(
            f"\n({_label(name)})=\n## {asked.question}\n\n"
            f"{as_markdown(asked.answer(study(name)))}\n\n"
            f"```{{figure}} ../figures/{name}.png\n:alt: {asked.question}\n\n"
            f"{_READ} {asked.basis} `python -m experiments.answers {name}` makes table and "
            "figure.\n```"
        )
    parts.append(f"\n## What is not here\n\n{_MISSING}")
    return "\n".join(parts) + "\n"


#: how to read the figures; see :func:`draw_estimates`
_READ = (
    "Each row is the corpus, or the group of runs, on its left, each panel the quantity below it. "
    "Dots are estimates, and lines their 95% intervals, with an arrow where one goes on; a hollow "
    "dot has none."
)


def _label(name: str) -> str:
    return f"question-{name.replace('_', '-')}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Answer questions from recorded curves.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(QUESTIONS))
    parser.add_argument(
        "--page", action="store_true", help="only write the page and the table of answers"
    )
    asked = parser.parse_args(arguments)
    if unknown := sorted({*asked.names} - {*QUESTIONS}):
        parser.error(f"no question {', '.join(unknown)}; expected some of {', '.join(QUESTIONS)}")
    matplotlib.use("agg")
    for name in [] if asked.page else asked.names or QUESTIONS:
        start = time.process_time()
        try:
            table = QUESTIONS[name].look()
        except FileNotFoundError as error:
            print(f"{name}: left as it is: {error}", file=sys.stderr)
            continue
        written_csv(STUDIES / f"{name}.csv", table)
        with drawn("paper", "page"):
            save(QUESTIONS[name].draw(study(name)), ROOT / "figures" / f"{name}.png")
        print(
            f"{name} ({time.process_time() - start:.0f} s): {QUESTIONS[name].answer(study(name))}\n"
        )
    written_text(PAGE, page())
    written_csv(STUDIES / "answers.csv", answers())


if __name__ == "__main__":
    main()
