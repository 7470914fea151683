"""Text printed by training scripts such as nanoGPT: lines with a position and losses.

step 500: train loss 4.2927, val loss 4.2780
iter 500: loss 4.3010, time 250.10ms
step:250/5100 val_loss:6.3097 train_time:100ms
s:250 tel:6.3097
250 val 6.3097
Epoch 3/10 ... loss: 0.4 - val_loss: 0.5
Train Epoch: 3 [640/60000 (1%)] Loss: 0.4       Test set: Average loss: 0.5
Train: 3 [  50/625 (  8%)]  Loss: 0.5 (0.4)     Test: [   0/79]  Loss: 0.6 (0.5)
Epoch 3, step 20/100: [train] loss: 0.4 [val] loss: 0.5
[2024-01-02 10:00:00] [valid] Ep. 3 : Up. 2000 : ce-mean-words : 0.5 : new best
INFO:root:Evaluation Epoch 3 - Average Loss: 0.5
[3]  train-rmse:0.4  eval-rmse:0.5              3:  learn: 0.4  test: 0.5
2024-01-02 | INFO | valid | {"epoch": 3, "loss": 0.5}
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from earlystop_lab.sources.logs._cells import LogError, cut_off, is_number, listed, looks_cut
from earlystop_lab.sources.logs._channels import is_position, meaning
from earlystop_lab.sources.logs._columns import Log, Row, log_of_rows
from earlystop_lab.sources.logs._reading import Source, flat, parse_json
from earlystop_lab.sources.logs.boosting import printed
from earlystop_lab.sources.logs.tables import read_percentages

_SETS = (
    "training|train|validation|validating|validate|valid|val|evaluation|evaluating|evaluate|eval|"
    "testing|test|development|dev|hold-?out|held[- ]?out"
)
#: "validation results at", "eval loss", "test set": what may stand between a set and a position
_OF_RESULTS = (
    r"(?: (?:set|loss|results?|metrics?|stats|summary|scores?|performance|phase))?"
    r"(?:,? (?:at|for|after|of|on|in))?"
)
_SET = rf"(?P<set>{_SETS})"
_POSITION = re.compile(
    rf"\[?(?:end of )?(?:{_SET}{_OF_RESULTS}[ |:\-]{{1,4}})?"
    r"(?P<name>global[_ ]?step|steps?|iterations?|iters?|epochs?|ep|updates?|up(?=\.? )|episode|s|"
    r"train(?=: \d+ \[))"
    rf"\.?(?:\s?\((?P<of>{_SETS})\))?(?:\s?[:=#,])?+\s*+(?:[\[(]\s*+)?+"
    r"(?P<at>(?>\d+(?:[,_]\d+)*(?:\.\d+)?))(?![\d.]*[A-Za-z]|[,_]\d)(?:\s*/\s*\d+)?[\])]?",
    re.IGNORECASE,
)
#: 12,000 as a position; 0,125 and 1_0 are no numbers
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d{0,2}(?:_\d{3})+")
#: a step within the epoch that was just named
_WITHIN = re.compile(r"[\s,;:|\-]{1,4}(?=[\[(]?(?:step|iter|up))", re.IGNORECASE)
#: what follows is of the set: [train] loss, | train | loss, train: loss, valid on 'valid' subset
_MARK = re.compile(
    rf"(?<![A-Za-z_]){_SET}(?=\s{{0,3}}(?:[\])>|]|(?: set)?:\s{{0,2}}[A-Za-z(]|on '))",
    re.IGNORECASE,
)
#: "train/val loss: 0.4 0.5" has two values, which no form here tells apart
_OF_BOTH = re.compile(rf"(?:{_SETS})/(?:{_SETS})(?![A-Za-z_/])", re.IGNORECASE)
#: a line to itself that begins a run: === Fold 2/5 ===
_RUN = re.compile(
    r"\W{0,80}(?P<name>fold|run|trial|seed)\s?[:=#]?\s?(?P<which>\d{1,20})"
    r"(?:\s?(?:/|of)\s?\d{1,20})?\W{0,80}",
    re.IGNORECASE,
)
_GLOG = r"[IWEF]\d{4} [\d:.]{8,20}\s+\d+ [\w.]{1,60}:\d+\]"
#: in front of the position: a time stamp, a level, brackets, the name of a logger or of a set
_PREFIX = re.compile(
    rf"{_GLOG}|[^A-Za-z\[{{]{{1,60}}"
    r"|\[ Info: |\[(?P<inside>[^\]]{0,80})\]|(?:INFO|DEBUG|WARNING)\b"
    rf"|(?P<said>{_SETS})(?![A-Za-z_/]){_OF_RESULTS}[^A-Za-z\[{{]{{1,20}}"
    r"|(?P<word>[\w.<>]{1,60}(?::[\w.<>]{1,60}){0,3})\s{0,3}(?: - |: ?|\||\s-)",
    re.IGNORECASE,
)
_BARE = re.compile(r"(?P<at>\d+)\s+(?P<name>val|train|test)\s+(?P<value>\S+)\s*")
#: what follows is of a set, at the position that was named last
_OF_SET = re.compile(
    rf"(?:{_GLOG}|\[[^\]]{{0,80}}\])?[^A-Za-z\[{{]{{0,60}}{_SET}"
    r"(?: set| loss| score| error| perplexity| results?| net output #\d+)?\s?[:=]",
    re.IGNORECASE,
)
#: a line of a set whose name is a part of that of the metric: Evaluation Average Loss
_BEGINS = re.compile(
    rf"[^A-Za-z\[{{]{{0,60}}{_SET} (?:[A-Za-z_]{{1,20}} ){{0,2}}[A-Za-z_]{{1,20}}\s?[:=]",
    re.IGNORECASE,
)
#: a set behind the name of the metric: loss (eval): 0.5, loss on dev set: 0.5
_SET_BEHIND = re.compile(
    rf"(?<![A-Za-z_/])(?P<name>[A-Za-z_]{{1,40}}) (?:[\[(]{_SET}[\])]|(?:on|for|of|over) (?:the )?"
    rf"(?P<on>{_SETS})(?: set| data(?:set)?)?)(?=\s?[:=]|\s{{1,3}}\d)",
    re.IGNORECASE,
)
_BEFORE_A_SET = (" (", " [", " on ", " for ", " of ", " over ")
_VALUE_OF_SET = re.compile(rf"\s*{_SET} loss \S", re.IGNORECASE)
_PAIR = re.compile(
    r"(?<![A-Za-z_])([A-Za-z](?:[A-Za-z_/]|-(?=[A-Za-z])|(?<=[A-Za-z_])\d{1,2}(?=[=:_])){0,80}+"
    r"(?:\.? [A-Za-z_/]{1,20}){0,2}"
    r"(?:@\d{1,3})?)"
    r"(?:\s?[:= ]\s{0,2}|\s?,\s{0,2}(?=[+-]?\d*\.\d|nan|inf))"
    r"((?=[\d.+\-\u2212]|nan|inf)(?:[^\s,;|()]|(?<=\d),(?=\d))+)"
    r"(?: \(\s*([^\s()]+)\))?",
    re.IGNORECASE,
)
#: seconds of training so far, without those of validation: train_time:100ms
_TRAIN_TIME = re.compile(
    r"(?<![A-Za-z_])train_time: ?(?P<time>\d{1,15}(?:\.\d{1,9})?)(?P<unit>ms|s)\b"
)
#: what was meant as a number, whole or damaged: 1,05 or 1.5e-
_LIKE_NUMBER = re.compile(r"[+\-\u2212]?(?=[.,_]*\d)[\d.,_]+(?:e[+\-\u2212]?\d*)?", re.IGNORECASE)
#: lines of gradient boosting, and the words after which LightGBM repeats one of them
_BOOSTED = re.compile(r"\s*(?:\[(?P<round>\d+)\]:?|(?P<at>\d+):)\s+(?P<rest>\S+[:'].*)", re.DOTALL)
#: what stands between their pairs: tabs, and blanks where LightGBM of R prints them
_BETWEEN = re.compile(r"\t| {2,}")
_BOOSTED_PAIR = re.compile(
    r"(?P<name>[^:]+): ?(?P<value>[^\s:+]+(?:e[+-]\d+)?)(?: ?\+ ?\S+| \(\d+\))?"
)
_REPEATS = "best iteration is"
#: a text as R prints it: [1] "Epoch 3 ..."
_OF_R = re.compile(r'\[1\] "(?P<text>.*)"\s*')
#: Lightning's checkpoints say only some of the values, those that were the best so far
_CHECKPOINT = re.compile(r"global step \d+: '[^']{1,80}' (?:reached|was not in top) ")
#: a position that only its brackets show, and words with values throughout
_COUNTED = re.compile(r"\s*\[\s*(?P<at>\d+)\s*/\s*\d+\]")
_ASSIGNED = re.compile(r"([A-Za-z_][\w/.]{0,60})=(\"[^\"]*\"|(?:[^\s,;]|(?<=\d),(?=\d))+)")
#: the word of a set that stands by itself, and does not say how long something took
_ALONE = re.compile(
    rf"(?<![\w./\\\-@]){_SET}(?![\w./\\]|:\d|[ -](?:time|took|speed|steps|batch|samples|every|data|"
    "duration|runtime|size))",
    re.IGNORECASE,
)
#: so many of so many
_SHARE = re.compile(r"(?P<right>\d{1,15})/(?P<every>\d{1,15})")
_BATCH = re.compile(r"\[\s*\d+/\d+")
_LONGEST = 4000


class _Place(NamedTuple):
    """Where in training the lines are that name no position themselves."""

    cells: dict[str, str]
    #: the position had a line to itself: what follows belongs to it
    alone: bool
    #: the set that the line before named, and nothing else
    own: str = ""


def recognises(source: Source) -> bool:
    structured = source.suffix in (".csv", ".tsv", ".json", ".jsonl", ".ndjson")
    return not structured and next(_rows(source.each_line()), None) is not None


def read(source: Source) -> list[Log]:
    """Read the lines that have a position and a loss; other lines are ignored."""
    log = log_of_rows(_rows(source.each_line()))
    if not len(log):
        raise LogError("no line has a position and a loss, such as 'step 250: val loss 3.2'")
    read_percentages(log)
    log = printed(log)
    if "train_time" in log.columns:
        log.units = {**log.units, "train_time": "s"}
    _name_accuracies(log)
    log.skipped += [
        LogError(f"the line has {len(line)} characters; expected at most {_LONGEST}", i)
        for i, line in enumerate(source.each_line(), start=1)
        if len(line) > _LONGEST
    ]
    if log.lines[-1] == sum(1 for _ in source.each_line()):
        log.notes += _cut_off(log)
    return [log]


def _name_accuracies(log: Log) -> None:
    """Say that ``train=0.23 val=0.35 loss=2.05``, as GluonCV prints it, has accuracies."""
    sets = [name for name in log.columns if meaning(name).is_set]
    values = np.concatenate([log.numbers(name).values for name in sets]) if sets else np.empty(0)
    beside = [name for name in log.columns if name.lower() == "loss"]
    if len(sets) > 1 and beside and ((values >= 0) & (values <= 1)).all():
        log.modes = {**log.modes, **dict.fromkeys(sets, "max")}
        log.measures = {**log.measures, **{name: (name, "accuracy") for name in sets}}
        log.notes.append(
            f"{listed(sets)} appear next to a loss and are read as accuracies; if they are "
            "losses, pass mode='min'"
        )


def _cut_off(log: Log) -> list[str]:
    """A note where the last number of a text without a last line end is shorter than others."""
    line, cells = [*log.rows()][-1]
    name, last = [*cells.items()][-1]
    others = [str(cell) for cell in log.columns[name].objects[:-1]]
    return [cut_off(line, str(last))] if looks_cut(str(last), others) else []


def _rows(lines: Iterable[str]) -> Iterator[Row]:
    place: _Place | None = None
    run: dict[str, str] = {}
    before = ""
    for i, line in _written(lines):
        previous, before = before, line
        if _REPEATS in previous.lower() or _CHECKPOINT.search(line):
            continue
        if printed_by_r := _OF_R.fullmatch(line):
            line = printed_by_r["text"].replace("\\t", "\t")
        if match := _RUN.fullmatch(line):
            place, run = None, {match["name"].lower(): match["which"]}
            continue
        if cells := _whole(line):
            yield i, {**run, **cells}
            continue
        own, rest = _without_prefix(line)
        if match := _POSITION.match(rest):
            own = own or match["set"] or match["of"]
            at, rest = _at(match, rest)
            cells = _pairs(rest, own)
            bare = not own and any(meaning(name).role is None for name in cells)
            if bare and (said := _only_set(line)):
                cells = _pairs(rest, said)
            known = place is not None and place.alone and place.cells == at
            place = _Place(at, alone=known or not cells)
            if cells:
                yield i, {**run, **at, **cells, **_train_time(rest)}
        elif place:
            own, cells = _at_place(line, place)
            place = place._replace(own="" if cells else own)
            if cells:
                yield i, {**run, **place.cells, **cells}


def _train_time(text: str) -> dict[str, str]:
    match = _TRAIN_TIME.search(text)
    if match is None:
        return {}
    seconds = float(match["time"]) / (1000 if match["unit"] == "ms" else 1)
    return {"train_time": repr(seconds)}


def _written(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The lines that are not too long; one that steps back over itself is several."""
    for i, line in enumerate(lines, start=1):
        if len(line) <= _LONGEST:
            for part in line.split("\b"):
                if part or "\b" not in line:
                    yield i, part


def _at(match: re.Match[str], line: str) -> tuple[dict[str, str], str]:
    """The position that a line begins with, perhaps a step within an epoch, and the rest."""
    at = {_position_name(match["name"]): _position_text(match["at"])}
    rest = line[match.end() :]
    if "epoch" in at and (between := _WITHIN.match(rest)):
        inner = _POSITION.match(rest, between.end())
        if inner and not inner["set"]:
            at["step"] = _position_text(inner["at"])
            rest = rest[inner.end() :]
    return at, rest


def _position_name(word: str) -> str:
    return "epoch" if word.lower() in ("epoch", "ep", "train") else "step"


def _position_text(text: str) -> str:
    return re.sub("[,_]", "", text) if _THOUSANDS.fullmatch(text) else text


def _whole(line: str) -> dict[str, str]:
    """The cells of a line that has a form of its own."""
    if match := _BARE.fullmatch(line):
        return {"step": match["at"], match["name"]: match["value"]}
    if match := _BOOSTED.fullmatch(line):
        parts = map(_BOOSTED_PAIR.fullmatch, _BETWEEN.split(match["rest"].strip()))
        cells = {part["name"]: part["value"] for part in parts if part}
        if match["at"]:  # CatBoost: by the last of its sets it stops
            sets = [name for name in cells if re.fullmatch(r"test\d*", name)]
            cells = {n: cells[n] for n in ["learn", *sets[-1:], "best"] if n in cells}
            cells = {"val" if name in sets else name: cell for name, cell in cells.items()}
        cells = {n: value for n, value in cells.items() if _is_metric(n) or n == "best"}
        at = {"iteration": match["round"] or match["at"]}
        return {**at, **cells} if any(map(_is_metric, cells)) else {}
    if match := _COUNTED.match(line):
        cells = _pairs(line[match.end() :], "")
        # without validation it may count batches
        of_both = any(meaning(name).role in ("val", "test") for name in cells)
        return {"epoch": match["at"], **cells} if of_both else {}
    if _ASSIGNED.match(line):
        return _of_record(dict(_ASSIGNED.findall(line)), "")
    start = line.find("{")
    if start >= 0 and line.rstrip().endswith("}"):
        own, _ = _without_prefix(line[:start])
        try:
            return _of_record(parse_json(line[start:]), own)
        except LogError:
            return {}
    return {}


def _of_record(record: object, own: str) -> dict[str, str]:
    """The cells of an object that a line ends with, as fairseq and the Trainer print it."""
    cells = flat(record) if isinstance(record, dict) else {}
    metrics = {_labelled(name, own): cell for name, cell in cells.items() if _is_metric(name)}
    at = {name: cell for name, cell in cells.items() if is_position(name)}
    return {**at, **metrics} if at and metrics else {}


def _without_prefix(line: str) -> tuple[str, str]:
    """The line from its position on, and the set that is named before."""
    own = ""
    for _ in range(12):
        if _POSITION.match(line) or not (match := _PREFIX.match(line)):
            break
        named = next(filter(None, (match[name] for name in ("word", "inside", "said"))), "")
        if meaning(named).is_set:
            own = named
        line = line[match.end() :]
    return own, line


def _only_set(line: str) -> str:
    """The set that a line speaks of, wherever it says so; none where it speaks of several."""
    if not _ALONE.search(line):
        return ""
    told = _PAIR.sub(
        lambda pair: " " if meaning(pair[1]).role and pair[2][-1:].isalnum() else pair[0], line
    )
    sets = [match["set"] for match in _ALONE.finditer(told)]
    return sets[0] if len({meaning(name).role for name in sets}) == 1 else ""


def _at_place(line: str, place: _Place) -> tuple[str, dict[str, str]]:
    """The set that a line without a position names, and what it adds to the last position."""
    match = _OF_SET.match(line) or _VALUE_OF_SET.match(line)
    begins = _BEGINS.match(line)
    own = match["set"] if match else _only_set(line) or (begins["set"] if begins else place.own)
    return own, _pairs(line, own) if own or place.alone else {}


def _pairs(text: str, own: str | None) -> dict[str, str]:
    """What looks like ``name value`` with the name of a metric."""
    pairs = {}
    if any(word in text for word in _BEFORE_A_SET):
        text = _SET_BEHIND.sub(lambda m: f"{m['set'] or m['on']}/{m['name']}", text)
    batches = _BATCH.search(text) is not None
    first, *marked = _MARK.split(text)
    for part, its in [(first, own), *zip(marked[1::2], marked[::2], strict=True)]:
        for name, value, average in _PAIR.findall(part):
            if value.endswith("%") and not meaning(name).metric:
                continue  # "Training: 100%" is how far it got
            sign = "%" if value.endswith("%") else ""
            value = value.rstrip("%.])")
            if shares := _SHARE.fullmatch(value):  # Accuracy: 9400/10000 (94%)
                percent = average.rstrip("%")
                value = percent if is_number(percent) else _share(shares)
            # "Loss 0.41 (0.39)" of a batch and of all so far
            value = average if batches and is_number(average) else value
            told = _is_metric(name) and not _OF_BOTH.search(name)
            if told and (_is_like_number(value) or value[:1].isdigit()):
                pairs[_labelled(name.strip(), its or "")] = value + sign
    # a damaged number is a row too, which is left out by name; all else is talk
    return pairs if any(_is_like_number(value.rstrip("%")) for value in pairs.values()) else {}


def _share(match: re.Match[str]) -> str:
    right, every = int(match["right"]), int(match["every"])
    return repr(right / every) if every else match[0]


def _is_like_number(text: str) -> bool:
    return is_number(text) or _LIKE_NUMBER.fullmatch(text) is not None


def _is_metric(name: str) -> bool:
    about = meaning(name)
    return (about.rank is not None and bool(about.role or about.metric)) or about.kind == "higher"


def _labelled(name: str, own: str) -> str:
    """The name with its set in front, where it says none itself."""
    return f"{own}/{name}" if own and meaning(name).role is None else name
