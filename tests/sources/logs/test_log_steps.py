"""A reader of logs executes lines of code in proportion to the text, whatever repeats in it."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from log_samples import TEXTS

import earlystop_lab
from earlystop_lab import read_logs
from earlystop_lab.sources.logs import FORMATS

_OURS = str(Path(earlystop_lab.__file__).parent)


def _lines_executed(call: Callable[[], object]) -> int:
    """How many lines of this package are executed."""
    count = 0

    def line(frame, event, arg):
        nonlocal count
        count += event == "line"
        return line

    def trace(frame, event, arg):
        return line if frame.f_code.co_filename.startswith(_OURS) else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def _shapes() -> Iterator[tuple[str, Callable[[int], str]]]:
    """Names of files, and texts in which something occurs n times."""

    def wide(name: str, cell: str) -> Callable[[int], str]:
        def text(n: int) -> str:
            # names of their own at each size, since what is known of a name is kept
            names = ",".join(f"{name}{n}x{i}" for i in range(n))
            return "".join(
                f"{head},{','.join([each] * n) if each else names}\n"
                for head, each in (("epoch,val_loss", ""), ("1,2", "1"), ("2,1", cell))
            )

        return text

    yield "numbers.csv", wide("k", "1")
    yield "texts.csv", wide("k", "x")
    yield "losses.csv", wide("loss", "1")
    yield (
        "keys.json",
        lambda n: json.dumps({f"k{n}x{i}": [0.5, 0.4] for i in range(n)} | {"val_loss": [1, 2]}),
    )
    for name, line in {
        "runs.csv": "r{i},1,0.5\nr{i},2,0.4\n",
        "restarts.csv": "r,1,0.5\nr,2,0.4\n",
        "back.csv": "r,{i},0.5\nr,{j},0.4\n",
        "misfits.csv": "r,{i},0.5,7,8\n",
        "words.csv": "r,{i},x\n",
        "quotes.csv": 'r,"{i},0.5\n',
        "headers.csv": "run,epoch,val_loss\n",
    }.items():
        yield name, lambda n, line=line: "run,epoch,val_loss\n" + _numbered(line, n)
    for name, line in {
        "records.jsonl": '{{"epoch": {i}, "val_loss": 0.5}}\n',
        "printed.log": "step {i}: train loss 0.5, val loss 0.4\n",
        "epochs.log": "Epoch {i}/9\n9/9 - 1s - loss: 0.5 - val_loss: 0.4\n",
        "dictionaries.log": "{{'epoch': {i}, 'val_loss': 0.5, 'k': 'x'}}\n",
        "open.log": "{{'epoch': {i}, 'val_loss': 0.5, 'k': '\n",
        "folds.log": "=== Fold {i} ===\nepoch 1: val loss 0.5\n",
        "rounds.log": "[{i}]\ttrain-rmse:0.5\teval-rmse:0.4\n",
        "overwritten.log": "step {i}: val loss 0.5\b",
        "nul.log": "step {i}: val loss 0.5\0\n",
    }.items():
        yield name, lambda n, line=line: _numbered(line, n)


def _numbered(line: str, n: int) -> str:
    return "".join(line.format(i=i, j=i + 1) for i in range(1, n + 1))


SHAPES = dict(_shapes())


def _is_linear(tmp_path, name: str, text: Callable[[int], str], n: int, **options: str) -> None:
    counts = []
    for times in (n, 2 * n):
        file = tmp_path / str(times) / name
        file.parent.mkdir()
        file.write_text(text(times))
        counts.append(_lines_executed(lambda file=file: read_logs(file, **options)))
    assert counts[0] > 0
    assert counts[1] < 2.2 * counts[0], counts


@pytest.mark.parametrize("name", SHAPES)
def test_twice_the_lines_or_columns_take_twice_the_steps(tmp_path, name):
    _is_linear(tmp_path, name, SHAPES[name], 100)


@pytest.mark.parametrize("name", TEXTS)
def test_a_log_that_repeats_itself_takes_twice_the_steps(tmp_path, name):
    _is_linear(tmp_path, name, lambda n: TEXTS[name][1] * n, 4)


@pytest.mark.parametrize("name", FORMATS)
def test_every_reader_refuses_a_long_line_in_twice_the_steps(tmp_path, name):
    for repeated in ("{'\\'", "[1,", "a=1 ", "1: ", '"k": [', "loss "):
        folder = tmp_path / str(ord(repeated[0]))
        folder.mkdir()
        _is_linear(folder, "long.log", lambda n, part=repeated: part * n, 200, format=name)
