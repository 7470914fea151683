"""Variants of formats as they are met in the wild: every one gives the same six checks."""

import gzip
import json
import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from log_samples import TEXTS, TRAIN, VAL, event_file, rows, write_mlflow

from earlystop_lab.sources.logs import FORMATS, read_logs
from earlystop_lab.sources.logs.catboost import _MAX, _MIN

CSV = "epoch,loss,val_loss"
PAIRS = [*zip(TRAIN, VAL, strict=True)]
MEAN = [{"train": t, "val": v} for t, v in PAIRS]


def epochs(template):
    """Text of several lines an epoch, counted from 1."""
    return rows(template, 1)


def columns(**curves):
    return json.dumps(curves)


#: file -> text, format, columns of val, train and position, first position
WILD = {
    # spreadsheets and data frames
    "index.csv": (rows("{at},{train},{val}", 0, ",loss,val_loss"),
                  "csv", "val_loss", "loss", None, 1),
    "comma.csv": (rows("{at};{train};{val}", 0, "epoch;loss;val_loss").replace(".", ","),
                  "keras-csv", "val_loss", "loss", "epoch", 1),
    "sep.csv": ("sep=;\n" + rows("{at};{train};{val}", 0, "epoch;loss;val_loss"),
                "keras-csv", "val_loss", "loss", "epoch", 1),
    "trailing.csv": (rows("{at},{train},{val},", 0, CSV),
                     "keras-csv", "val_loss", "loss", "epoch", 1),
    "quoted.csv": (rows('"{at}","{train}","{val}"', 0, '"epoch","loss","val_loss"'),
                   "keras-csv", "val_loss", "loss", "epoch", 1),
    "tensors.csv": (rows("{at},[{train}],\"tensor({val}, device='cuda:0')\"", 0, CSV),
                    "keras-csv", "val_loss", "loss", "epoch", 1),
    "numpy.txt": (rows("{at} {train} {val}", 0, "# epoch loss val_loss"),
                  "keras-csv", "val_loss", "loss", "epoch", 1),
    "skorch.txt": (rows("   {at}   {train}   {val}", 1,
                        "  epoch    train_loss    valid_loss\n-------  ----------  ----------"),
                   "csv", "valid_loss", "train_loss", "epoch", 1),
    "card.txt": (rows("| {train} | {at} | {val} |", 1,
                      "| Training Loss | Step | Validation Loss |\n|:---:|:----:|:----:|"),
                 "csv", "Validation Loss", "Training Loss", "Step", 1),
    # rows that say which set or metric they are of
    "phases.csv": (rows("{at},train,{train}\n{at},val,{val}", 1, "epoch,phase,loss"),
                   "keras-csv", "val/loss", "train/loss", "epoch", 1),
    "phases.jsonl": (rows('{{"step": {at}, "split": "train", "loss": {train}}}\n'
                          '{{"step": {at}, "split": "valid", "loss": {val}}}', 1),
                     "json", "valid/loss", "train/loss", "step", 1),
    "melted.csv": (rows("{at},train_loss,{train}", 1, "step,metric,value")
                   + rows("{at},val_loss,{val}", 1),
                   "csv", "val_loss", "train_loss", "step", 1),
    "sets.csv": (rows("{at},train,loss,{train}\n{at},val,loss,{val}", 1, "step,set,metric,value"),
                 "csv", "val/loss", "train/loss", "step", 1),
    # columns that are no curves, and positions of other names
    "delta.csv": (rows("{at},{train},{val},0.01,0.3", 1,
                       "number_of_trees,train_mse,val_mse,val_loss_delta,val_gap"),
                  "csv", "val_mse", "train_mse", "number_of_trees", 1),
    "flag.csv": (rows("{at},{train},{val},0", 1, "epoch,train_mse,val_mse,valid"),
                 "csv", "val_mse", "train_mse", "epoch", 1),
    "deep.jsonl": (rows('{{"epoch": {at}, "metrics": {{"train": {{"loss": {train}}}, '
                        '"val": {{"loss": {val}}}}}}}', 1),
                   "json", "metrics/val/loss", "metrics/train/loss", "epoch", 1),
    "metrics.json": (columns(acc={"train": VAL, "val": TRAIN}, loss={"train": TRAIN, "val": VAL}),
                     "xgboost", "val-loss", "train-loss", None, 1),
    "constant.csv": (rows("100,{train},{val}", 1, "n_iter,train_loss,val_loss"),
                     "csv", "val_loss", "train_loss", None, 1),
    "slashed.csv": (rows("{at},{train},{val}", 1, "train/epoch,train/loss,eval/loss"),
                    "csv", "eval/loss", "train/loss", "train/epoch", 1),
    # the last row says again what was measured at the best epoch
    "restored.csv": (rows("{at},{train},{val}", 1, CSV) + "3,0.4,0.625\n",
                     "keras-csv", "val_loss", "loss", "epoch", 1),
    # steps that are counted in every epoch
    "mmdet.log.json": (rows('{{"mode": "train", "epoch": {at}, "iter": 50, "loss": 2.0}}\n'
                            '{{"mode": "train", "epoch": {at}, "iter": 100, "loss": {train}}}\n'
                            '{{"mode": "val", "epoch": {at}, "iter": 30, "loss": {val}}}', 1),
                       "json", "val/loss", "train/loss", "epoch", 1),
    "batches.csv": (rows("{at},1,9.5,\n{at},2,{train},{val}", 1, "epoch,iter,loss,val_loss"),
                    "keras-csv", "val_loss", "loss", "epoch", 1),
    "anew.csv": (rows("{at},0,9.5,\n{at},1,{train},\n{at},1,,{val}", 0,
                      "epoch,step,train_loss,val_loss"),
                 "lightning", "val_loss", "train_loss", "epoch", 1),
    "within.csv": (CSV.replace("epoch", "epoch,iter") + "".join(
                       f"\n{1 + i // 3},{i % 3},{t},{v}" for i, (t, v) in enumerate(PAIRS)) + "\n",
                   "keras-csv", "val_loss", "loss", None, 1),
    "within.log": ("".join(f"Epoch {1 + i // 3}, Step {i % 3}/3: train loss {t}, val loss {v}\n"
                           for i, (t, v) in enumerate(PAIRS)),
                   "text", "val loss", "train loss", None, 1),
    # histories
    "printed.txt": (repr({"loss": TRAIN, "val_loss": VAL}),
                    "keras-history", "val_loss", "loss", None, 1),
    "numpy2.txt": (repr({"loss": [*map(np.float64, TRAIN)], "val_loss": [*map(np.float64, VAL)]}),
                   "keras-history", "val_loss", "loss", None, 1),
    "frame.json": (columns(loss=dict(enumerate(TRAIN)),
                           val_loss=dict(enumerate(VAL))),
                   "keras-history", "val_loss", "loss", None, 1),
    "index.json": (json.dumps(dict(enumerate(MEAN))), "json", "val", "train", "epoch", 1),
    "split.json": (columns(columns=["train", "val"], index=[0, 1, 2, 3, 4, 5],
                           data=[[*row.values()] for row in MEAN]),
                   "json", "val", "train", None, 1),
    "wrapped.json": (columns(epochs=MEAN, lr=0.1), "json", "val", "train", None, 1),
    "object.json": (columns(history={"loss": TRAIN, "val_loss": VAL}, epoch=[0, 1, 2, 3, 4, 5]),
                    "keras-history", "val_loss", "loss", None, 1),
    # boosting
    "folds.json": (columns(**{"train l2-mean": TRAIN, "train l2-stdv": VAL, "valid l2-mean": VAL,
                              "valid l2-stdv": TRAIN}),
                   "lightgbm", "valid l2-mean", "train l2-mean", None, 1),
    "xgboost.log": (rows("[{at}]\tvalidation_0-rmse:{train}\tvalidation_1-rmse:{val}"),
                    "text", "validation_1-rmse", "validation_0-rmse", "iteration", 1),
    "named-xgboost.log": (rows("[{at}]\ta-rmse:{train}\tc-rmse:9.5\tb-rmse:{val}"),
                          "text", "b-rmse", "a-rmse", "iteration", 1),
    "lightgbm.log": ("[LightGBM] [Info] Total Bins 255\n"
                     + rows("[{at}]\ttraining's l2: {train}\tvalid_1's l2: {val}", 1)
                     + "Early stopping, best iteration is:\n[3]\tvalid_1's l2: 0.625\n",
                     "text", "valid_1's l2", "training's l2", "iteration", 1),
    "catboost.log": (rows("{at}:\tlearn: {train}\ttest: 9.5\ttest1: {val}\tbest: 0.5 (0)\t"
                          "total: 4ms"),
                     "text", "val", "learn", "iteration", 1),
    "catboost.json": (columns(learn={"RMSE": TRAIN}, validation_0={"RMSE": TRAIN},
                              validation_1={"RMSE": VAL}),
                      "xgboost", "validation_1-RMSE", "learn-RMSE", None, 1),
    "holdout.json": (columns(Training={"rmse": TRAIN}, **{"Hold-out": {"rmse": VAL}}),
                     "xgboost", "Hold-out-rmse", "Training-rmse", None, 1),
    "named.json": (columns(a={"rmse": TRAIN}, c={"rmse": [9.5] * 6}, b={"rmse": VAL}),
                   "xgboost", "b-rmse", "a-rmse", None, 1),
    "trained.json": (columns(c={"rmse": [9.5] * 6}, Train={"mphe": TRAIN, "auc": VAL},
                             b={"mphe": VAL, "auc": TRAIN}),
                     "xgboost", "b-mphe", "Train-mphe", None, 1),
    "trees.json": (columns(train_score_=TRAIN, validation_score_=VAL),
                   "sklearn", "validation_score_", "train_score_", "iteration", 0),
    "colours.txt": (rows("   {at}   \x1b[36m{train}\x1b[0m   \x1b[32m{val}\x1b[0m", 1,
                         "  epoch    train_loss    valid_loss\n-------  ----------  ----------"),
                    "csv", "valid_loss", "train_loss", "epoch", 1),
    # what scripts print
    "marked.log": (epochs("[Epoch {at}/6] [train] loss: {train} [val] loss: {val}"),
                   "text", "val/loss", "train/loss", "epoch", 1),
    "colons.log": (epochs("Epoch {at} - Train: loss={train}, acc=0.9 - Val: loss={val}, acc=0.8"),
                   "text", "Val/loss", "Train/loss", "epoch", 1),
    "mxnet.log": (epochs("INFO:root:Epoch[{at}] Train-cross-entropy={train}\n"
                         "INFO:root:Epoch[{at}] Time cost=4.2\n"
                         "INFO:root:Epoch[{at}] Validation-cross-entropy={val}"),
                  "text", "Validation-cross-entropy", "Train-cross-entropy", "epoch", 1),
    "wikitext.log": (epochs("| epoch   {at} |   200/ 2983 batches | lr 5.00 | ms/batch 5.0 | loss "
                            "{train} | ppl 99\n| end of epoch   {at} | time: 9.1s | valid loss "
                            "{val} | valid ppl 99"),
                     "text", "valid loss", "loss", "epoch", 1),
    "fairseq-old.log": (epochs("| epoch 00{at}:   1%| | 1/100 [00:00<00:10], loss=9.5\n"
                               "| epoch 00{at} | loss {train} | nll_loss 9\n| epoch 00{at} | "
                               "valid on 'valid' subset | loss {val} | nll_loss 8"),
                        "text", "valid/loss", "loss", "epoch", 1),
    "opennmt.log": (epochs("[2020-01-01 00:00:00,000 INFO] Step {at}/100; acc:  50; ppl: {train}\n"
                           "[2020-01-01 00:00:00,000 INFO] Validation perplexity: {val}"),
                    "text", "Validation perplexity", "ppl", "step", 1),
    "mmdet.log": (epochs("2020-01-01 00:00:00,000 - mmdet - INFO - Epoch [{at}][100/100]\tlr: 0.01,"
                         " loss: {train}\n2020-01-01 00:00:00,000 - mmdet - INFO - Epoch(val) "
                         "[{at}][20]\tloss: {val}"),
                  "text", "val/loss", "loss", "epoch", 1),
    "flair.log": (epochs("2020-01-01 00:00:00,000 epoch {at} - iter 10/100 - loss 9.5\n2020-01-01 "
                         "00:00:00,000 EPOCH {at} done: loss {train} - lr: 0.1\n"
                         "2020-01-01 00:00:00,000 DEV : loss {val} - f1-score (micro avg)  0.5"),
                  "text", "DEV/loss", "loss", "epoch", 1),
    "timm.log": (epochs("Train: {at} [   0/100 (  0%)]  Loss: 9.5 (9.5)  LR: 0.1\nTrain: {at} [  "
                        "99/100 (100%)]  Loss: 9.5 ({train})  LR: 1.0e-01\nTest: [   0/10]  Time: "
                        "0.1 (0.1)  Loss:  9.5 ({val})  Acc@1: 0 (0)"),
                 "text", "Test/Loss", "Loss", "epoch", 1),
    "desc.log": (epochs("Epoch {at}\nTraining: 100%|████| 10/10 [00:01<00:00, 9.1it/s]\n"
                        "Validation: 100%|████| 10/10 [00:01<00:00, 9.1it/s]\n"
                        "train rmse: {train}, val rmse: {val}"),
                 "text", "val rmse", "train rmse", "epoch", 1),
    "caffe.log": (epochs("I0102 10:00:00.123456 140 solver.cpp:218] Iteration {at} (9.1 iter/s), "
                         "loss = 9.5\nI0102 10:00:00.123456 140 solver.cpp:237]     Train net "
                         "output #0: loss = {train} (* 1 = {train} loss)\n"
                         "I0102 10:00:00.123456 140 solver.cpp:330] Iteration {at}, Testing net "
                         "(#0)\nI0102 10:00:00.123456 140 solver.cpp:397]     Test net output #1: "
                         "loss = {val} (* 1 = {val} loss)"),
                  "text", "Test/loss", "Train/loss", "step", 1),
    "keras.txt": (epochs("Epoch {at}/6\n\x1b[1m9/9\x1b[0m \x1b[32m━━━\x1b[0m 1s 11ms/step - "
                         "loss: {train} - val_loss: {val}"),
                  "text", "val_loss", "loss", "epoch", 1),
    "checkpoint.txt": (epochs("Epoch {at}/6\n\nEpoch {at}: val_loss improved from 9.5 to {val}, "
                              "saving model\n9/9 - 1s - loss: {train} - val_loss: {val}"),
                       "text", "val_loss", "loss", "epoch", 1),
    "examples.txt": (epochs("Train Epoch: {at} [0/60000 (0%)]\tLoss: 2.3\n"
                            "Train Epoch: {at} [640/60000 (1%)]\tLoss: {train}\n\n"
                            "Test set: Average loss: {val}, Accuracy: 9400/10000 (94%)\n"),
                     "text", "Test/Average loss", "Train/Loss", "epoch", 1),
    "quickstart.txt": (epochs("Epoch {at}\n-----\nloss: 2.3  [   64/60000]\n"
                              "loss: {train}  [ 6464/60000]\nTest Error: \n Accuracy: 44.7%, "
                              "Avg loss: {val} \n"),
                       "text", "Test/Avg loss", "loss", "epoch", 1),
    "imagenet.txt": (epochs("Epoch: [{at}][  10/5005]\tTime  0.4\tLoss 9.5 ({train})\n"
                            "Test: [  0/196]\tTime  1\tLoss 9.5 ({val})"),
                     "text", "Test/Loss", "Loss", "epoch", 1),
    "counted.txt": (epochs("[  {at}/6] train_loss: {train} valid_loss: {val}"),
                    "text", "valid_loss", "train_loss", "epoch", 1),
    "lines.txt": (epochs("Epoch: 0{at} | Time: 0m 14s\n\tTrain Loss: {train} | Train PPL: 99\n"
                         "\t Val. Loss: {val} |  Val. PPL: 99"),
                  "text", "Val. Loss", "Train Loss", "epoch", 1),
    "bar.txt": (epochs("\rEpoch {at}:  50%|██   | 5/10 [00:01<00:00, 9.1it/s, train_loss=5.0]"
                       "\rEpoch {at}: 100%|████| 10/10 [00:01<00:00, 9.1it/s, "
                       "train_loss={train}, val_loss={val}]"),
                "text", "val_loss", "train_loss", "epoch", 1),
    "fractions.txt": (epochs("epoch {at}.0: loss {train}, val loss {val}"),
                      "text", "val loss", "loss", "epoch", 1),
    "rewritten.txt": (epochs("Epoch {at}/6\n1/10 [=>..] - ETA: 0s - loss: 9.5" + "\b" * 30
                             + "10/10 [====] - 1s - loss: {train} - val_loss: {val}"),
                      "text", "val_loss", "loss", "epoch", 1),
    "logging.log": (epochs("INFO:root:Epoch {at}: train_loss={train} val_loss={val}"),
                    "text", "val_loss", "train_loss", "epoch", 1),
    "loguru.log": (epochs("2024-01-02 10:00:00.1 | INFO     | __main__:main:45 - Epoch {at}: "
                          "train loss {train}, valid loss {val}"),
                   "text", "valid loss", "train loss", "epoch", 1),
    "glog.log": (epochs("I0102 10:00:00.123456 140 train.py:145] epoch:  {at}, "
                        "train_loss: {train}, val_loss: {val}"),
                 "text", "val_loss", "train_loss", "epoch", 1),
    "logfmt.log": (epochs('time=10:00Z level=info msg="eval" step={at} train_loss={train} '
                          "val_loss={val}"),
                   "text", "val_loss", "train_loss", "step", 1),
    "fairseq.log": (epochs("2020-05-13 08:05:11 | INFO | train | epoch 00{at} | loss {train} | "
                           "ppl 4\n2020-05-13 08:05:12 | INFO | valid | epoch 00{at} | valid on "
                           "'valid' subset | loss {val} | best_loss 3"),
                    "text", "valid/loss", "train/loss", "epoch", 1),
    "fairseq.out": (epochs('2020-05-13 08:05:11 | INFO | train | {{"epoch": {at}, "loss": '
                           '"{train}"}}\n2020-05-13 08:05:12 | INFO | valid | {{"epoch": {at}, '
                           '"loss": "{val}"}}'),
                    "text", "valid/loss", "train/loss", "epoch", 1),
    "megatron.log": (epochs(" iteration   {at}/  600 | elapsed time per iteration (ms): 9.5 | "
                            "lm loss: {train} | grad norm: 1.0 |\n validation loss at iteration "
                            "{at} | lm loss value: {val} |"),
                     "text", "validation/lm loss value", "lm loss", "step", 1),
    "trainer.log": (epochs("  1%|█    | 1/100 [00:01<00:10, 9.1it/s]\r{{'loss': {train}, "
                           "'learning_rate': 1e-05, 'epoch': {at}.0}}\n"
                           "{{'eval_loss': {val}, 'eval_runtime': 1.2, 'epoch': {at}.0}}")
                    + "{'train_runtime': 9.5, 'train_loss': 9.5, 'epoch': 6.0}\n"
                    "{'eval_loss': 9.5, 'eval_runtime': 1.2, 'epoch': 6.0}\n",
                    "huggingface", "eval_loss", "loss", "epoch", 1),
    "barred.txt": (epochs("Step {at} | Eval | loss: {val} | ppl: 2.7\n"
                          "Step {at} | Train | loss: {train}"),
                   "text", "Eval/loss", "Train/loss", "step", 1),
    # charts
    "val_loss.csv": (rows("1.7e9,{at},{val}", 0, "Wall time,Step,Value"),
                     "tensorboard-export", "val_loss", None, "step", 0),
    "chart.csv": (rows('"{at}","{val}","{val}","{val}"', 0,
                       '"Relative Time (Process)","a - val/loss","a - val/loss__MIN",'
                       '"a - val/loss__MAX"'),
                  "wandb", "val/loss", None, None, 1),
}  # fmt: skip


def plan(found):
    frame = found.plan[["format", "val", "train", "epoch"]].astype(object)
    return [tuple(row) for row in frame.where(frame.notna(), None).to_numpy().tolist()]


@pytest.mark.parametrize("name", WILD)
@pytest.mark.parametrize("form", ["as it is", "gz", "crlf", "bom"])
def test_variants_give_the_curves_that_a_person_would_choose(tmp_path, name, form):
    text, *expected, first = WILD[name]
    data = {
        "as it is": text.encode(),
        "gz": gzip.compress(text.encode()),
        "crlf": text.replace("\n", "\r\n").encode(),
        "bom": text.encode("utf-8-sig"),
    }[form]
    path = tmp_path / (f"{name}.gz" if form == "gz" else name)
    path.write_bytes(data)
    found = read_logs(tmp_path)
    assert found.skipped == ()
    assert plan(found) == [tuple(expected)]
    curve = found.curves[0]
    assert curve.val.tolist() == VAL
    assert curve.epoch.tolist() == list(range(first, first + 6))
    if expected[2] is not None:
        assert curve.train.tolist() == TRAIN


@pytest.mark.parametrize(
    ("text", "name", "runs"),
    [
        (rows("1,{at},{train},{val}", 1, "seed,epoch,loss,val_loss")
         + rows("2,{at},{train},{val}", 1), "seeds.csv", ["1", "2"]),
        (rows("{at},{train},{val},a", 1, "epoch,loss,val_loss,fold")
         + rows("{at},{train},{val},b", 1), "folds.csv", ["a", "b"]),
        (rows("1,a,{at},{train},{val}", 1, "seed,fold,epoch,loss,val_loss")
         + rows("1,b,{at},{train},{val}", 1), "folds.csv", ["a", "b"]),
        (rows("a,{at},{train},{val}", 1, "run_id,_step,train/loss,val/loss")
         + rows("b,{at},{train},{val}", 1), "history.csv", ["a", "b"]),
        ("".join(f"=== Fold {fold}/2 ===\n" + epochs("Epoch {at}: loss {train}, val loss {val}")
                 for fold in (1, 2)), "folds.log", ["1", "2"]),
        ("".join(f"Fold {fold}\n" + rows("[{at}]\ttrain-rmse:{train}\teval-rmse:{val}")
                 for fold in (1, 2)), "xgboost.log", ["1", "2"]),
        *((rows("a,{at},{train},{val}", 1, f"{name},epoch,loss,val_loss")
           + rows("b,{at},{train},{val}", 1), "models.csv", ["a", "b"])
          for name in ("model", "name", "k")),
        (columns(fold_0={"loss": TRAIN, "val_loss": VAL}, fold_1={"loss": TRAIN, "val_loss": VAL}),
         "folds.json", ["fold_0", "fold_1"]),
        (json.dumps([{"loss": TRAIN, "val_loss": VAL}] * 2), "list.json", ["1", "2"]),
    ],
)  # fmt: skip
def test_several_runs_of_one_file(tmp_path, text, name, runs):
    (tmp_path / name).write_text(text)
    found = read_logs(tmp_path / name)
    assert found.curves.runs == [f"{name}:{run}" for run in runs]
    assert [curve.val.tolist() for curve in found.curves] == [VAL, VAL]
    assert [curve.train.tolist() for curve in found.curves] == [TRAIN, TRAIN]


@pytest.mark.parametrize(
    ("text", "name", "reason"),
    [
        (
            '"Name","State","val_loss"\na,finished,0.5\nb,crashed,0.4\n',
            "runs.csv",
            "one row per run",
        ),
        ("run_id,metrics.val_loss\na,0.5\nb,0.4\n", "search.csv", "one row per run"),
        (json.dumps({"val_loss": 0.5, "_step": 100}), "wandb-summary.json", "not a log of a known"),
        # without the time of day, which would name the test differently in each worker
        (
            gzip.compress(b"epoch,val_loss\n1,2\n" * 99, mtime=0)[:-20],
            "cut.csv.gz",
            "gzip file is damaged",
        ),
        ("epoch,val_loss\n1,[1.0; 2.0]\n", "vector.csv", "'[1.0; 2.0]' is not a number"),
        ('epoch,val_loss\n1,"tensor([1.0, 2.0])"\n', "vector.csv", "is not a number"),
        ('epoch;val_loss\n1;"1,000"\n2;"2,000"\n', "thousands.csv", "'1,000' is not a number"),
        ("epoch,val_loss\n1,50%\n2,0.4\n", "mixed.csv", "'50%' is not a number"),
        ("{'loss': [1.0, __import__('os')]}", "code.txt", "not valid JSON"),
        ("{'a': 1, 'a': 2}", "twice.txt", "duplicate key 'a'"),
        ("epoch,val_loss\n1,0.\b5\n", "back.csv", "'0.\\x085' is not a number"),
        ("Epoch 1: train loss 0,9, val loss 1,05\n", "comma.log", "'1,05' is not a number"),
        ("step 1: val loss 1,300.1\n", "thousands.log", "'1,300.1' is not a number"),
        ("step=1 val_loss=1,05\n", "fmt.log", "'1,05' is not a number"),
        (
            json.dumps({"val.loss": {"steps": [1, 2], "values": [2, 1]}}),
            "metrics.json",
            "not a log of a known",
        ),
        ("epoch 1 train/val loss: 0.9 1.0\n", "both.log", "not a log of a known"),
        (
            "  Epoch GPU_mem box_loss\n  1/3  0G  1.1  12  640: 99% 4/4\n   Class Images  Box: 99%"
            "\n  all  4  0.5\n",
            "yolo.log",
            "not a log of a known",
        ),
        (
            rows('{{"step": {at}, "loss": {train}}}\n{{"step": {at}, "loss": {val}}}', 1),
            "mixed.jsonl",
            "two values of 'loss'",
        ),
        ("Epoch 1 val_loss: 1.5e-\n", "cut.log", "'1.5e-' is not a number"),
        ("Epoch 1 val_loss: \u22121.5\n", "minus.log", "'\u22121.5' is not a number"),
    ],
)
def test_what_is_no_log_is_refused_by_name(tmp_path, text, name, reason):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    found = read_logs(tmp_path / name)
    assert reason in found.skipped[0].reason
    values = [curve.val.tolist() for curve in found.curves]
    assert values == ([[0.4]] if name == "mixed.csv" else [])


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_that_is_said_of_other_files_is_refused_by_name(tmp_path, name):
    texts = {file: text for file, (_, text, _) in TEXTS.items()}
    more = {
        "three.json": "[{}, {}, {}]",
        "number.json": "3",
        "empty.json": "{}",
        "null.json": "null",
    }
    for file, text in {**texts, **more}.items():
        (tmp_path / file).write_text(text)
        found = read_logs(tmp_path / file, format=name)
        assert len(found.curves) or found.skipped[0].reason


def test_catboost_s_printed_lines_say_which_way_is_better(tmp_path):
    line = "{at}:\tlearn: {train}\ttest: {val}\tbest: %s (0)\ttotal: 4ms"
    for best, direction in ((0.5, "min"), (1.0, "max")):
        (tmp_path / "catboost.log").write_text(rows(line % best))
        found = read_logs(tmp_path)
        assert found.plan["direction"].tolist() == [direction]
        assert found.curves[0].val.tolist() == VAL
        assert found.curves[0].train.tolist() == TRAIN
    # while it gets better all the time its best is its last
    (tmp_path / "catboost.log").write_text(
        "".join(f"{i}:\tlearn: 0.5\ttest: 0.{i}\tbest: 0.{i} ({i})\ttotal: 4ms\n" for i in range(9))
    )
    assert read_logs(tmp_path).plan["direction"].tolist() == ["max"]


def test_scores_of_sklearn_s_trees_that_were_not_validated(tmp_path):
    (tmp_path / "trees.json").write_text(columns(train_score_=VAL, validation_score_=[]))
    found = read_logs(tmp_path)
    assert found.curves[0].val.tolist() == VAL
    assert found.curves.about("val").direction == "max"
    assert "is used as val" in found.notes[0].text


def test_nan_between_any_two_values_was_not_measured(tmp_path):
    text = rows("{at},{train},nan\n{at}.5,{train},{val}", 1, CSV)
    (tmp_path / "sparse.csv").write_text(text)
    found = read_logs(tmp_path)
    # the first row is where training was logged first
    assert found.curves[0].epoch.tolist() == [1, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5]
    assert found.curves[0].measured("val").tolist() == [False] + [True] * 6
    assert found.curves[0].val[1:].tolist() == VAL
    assert "not measured" in found.notes[0].text
    # one that was measured next to another is a NaN
    (tmp_path / "sparse.csv").write_text(text + "8,0.1,0.5\n9,0.1,nan\n10,0.1,0.5\n")
    assert read_logs(tmp_path).plan["checks"].tolist() == [15]


def test_numbers_as_people_write_them(tmp_path):
    cells = ["1e-3", "1.E-3", ".5", "+2", "nan", "NaN", "-Infinity", "None", "", "N/A", "No log"]
    text = "step,val_loss\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells))
    (tmp_path / "a.csv").write_text(text)
    found = read_logs(tmp_path)
    assert found.skipped == ()
    np.testing.assert_equal(
        found.curves[0].val.tolist(), [1e-3, 1e-3, 0.5, 2, math.nan, math.nan, -math.inf]
    )


def test_a_comma_after_a_zero_is_a_decimal_one(tmp_path):
    (tmp_path / "a.csv").write_text("epoch;val_loss\n1;1,500\n2;0,750\n")
    assert read_logs(tmp_path).curves[0].val.tolist() == [1.5, 0.75]


def test_positions_that_cannot_be_read_are_said(tmp_path):
    (tmp_path / "a.csv").write_text("step,val_loss\n1k,3\n2k,2\n")
    found = read_logs(tmp_path)
    assert found.curves[0].epoch.tolist() == [1, 2]
    assert "no positions in step; checks are numbered instead" in found.notes[0].text


def test_a_name_beside_values_tells_no_runs_apart(tmp_path):
    text = "".join(f"{at},val_loss,{v}\n" for at, v in enumerate(VAL))
    text += "".join(f"{at},train_loss,{t}\n" for at, t in enumerate(TRAIN))
    (tmp_path / "a.csv").write_text("step,name,Value\n" + text)
    found = read_logs(tmp_path)
    assert plan(found) == [("csv", "val_loss", "train_loss", "step")]


@pytest.mark.parametrize("mark", [",", "_"])
def test_thousands_in_the_positions_of_a_text(tmp_path, mark):
    text = f"step 500: val loss 3\nstep 1{mark}000: val loss 2\nstep 12{mark}500: val loss 1\n"
    (tmp_path / "a.log").write_text(text)
    found = read_logs(tmp_path)
    assert found.skipped == ()
    assert found.curves[0].epoch.tolist() == [500, 1000, 12500]
    assert found.curves[0].val.tolist() == [3, 2, 1]


def test_a_column_that_only_some_rows_have_tells_no_runs_apart(tmp_path):
    text = '{"env": "x", "seed": 3}\n' + rows('{{"step": {at}, "val_loss": {val}}}', 1)
    (tmp_path / "log.jsonl").write_text(text)
    found = read_logs(tmp_path)
    assert found.curves.runs == ["log.jsonl"]
    assert found.curves[0].val.tolist() == VAL


def test_a_training_curve_that_stands_in_is_not_training_too(tmp_path):
    history = [{"loss": t, "step": i} for i, t in enumerate(TRAIN)]
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": history}))
    curve = read_logs(tmp_path).curves[0]
    assert curve.val.tolist() == TRAIN
    assert curve.train is None


@pytest.mark.parametrize(
    ("learn", "test", "val", "train", "direction"),
    [
        ("Logloss", "NormalizedGini Logloss", "Logloss", "Logloss", "min"),
        ("Own", "Mine Own", "Own", "Own", "min"),
        ("ERR", "ERR PFound NDCG:type=Base", "ERR", "ERR", "max"),
        ("MAPE", "MAPE", "MAPE", "MAPE", "min"),
        ("BrierScore", "MCC BrierScore", "BrierScore", "BrierScore", "min"),
        ("", "PFound", "PFound", None, "max"),
    ],
)  # fmt: skip
def test_catboost_s_tables_alone(tmp_path, learn, test, val, train, direction):
    for part, names, curve in (("learn", learn.split(), TRAIN), ("test", test.split(), VAL)):
        lines = ["\t".join(["iter", *names])]
        lines += ["\t".join(map(str, [i, *[x] * len(names)])) for i, x in enumerate(curve) if names]
        (tmp_path / f"{part}_error.tsv").write_text("\n".join(lines) + "\n")
    found = read_logs(tmp_path)
    assert plan(found) == [
        ("catboost", f"test-{val}", train and f"learn-{train}", "iteration")
    ]  # fmt: skip
    assert (found.plan["direction"].tolist(), found.skipped) == ([direction], ())
    assert found.curves[0].val.tolist() == VAL


def test_catboost_s_metrics_are_known_by_their_direction():
    catboost = pytest.importorskip("catboost._catboost")
    for name in (_MAX | _MIN) - {"AverageGain", "Focal", "PairLogitPairwise"}:
        told = {"F": "F:beta=1", "Lq": "Lq:q=2", "Huber": "Huber:delta=1",
                "Tweedie": "Tweedie:variance_power=1.5", "NumErrors": "NumErrors:greater_than=1",
                "QueryAverage": "QueryAverage:top=2"}.get(name, name)  # fmt: skip
        assert catboost.is_maximizable_metric(told) == (name in _MAX), name


def test_an_evaluation_after_the_training_is_no_check(tmp_path):
    history = [{"eval_loss": v, "step": i} for i, v in enumerate(VAL[:4], start=1)]
    history += [{"train_loss": 0.4, "train_runtime": 1.0, "step": 4}, {"eval_loss": 0.1, "step": 4}]
    # trained on
    history += [{"eval_loss": v, "step": i} for i, v in enumerate(VAL[4:], start=5)]
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": history}))
    found = read_logs(tmp_path)
    assert found.curves[0].val.tolist() == VAL
    assert "entries recorded after the end of training are left out: 1" in {
        note.text for note in found.notes
    }


#: the losses that YOLO's versions and tasks record, in parts
YOLO = {
    "v5, from 0": ("{at},{parts},0.5,{vals},0.1", ["box_loss", "obj_loss", "cls_loss"], 0),
    "v8": ("{at},{parts},0.5,{vals},0.1", ["box_loss", "cls_loss", "dfl_loss"], 1),
    "v11": ("{at},12.5,{parts},0.5,{vals},0.1", ["box_loss", "cls_loss", "dfl_loss"], 1),
    "rtdetr": ("{at},12.5,{parts},0.5,{vals},0.1", ["giou_loss", "cls_loss", "l1_loss"], 1),
    "classify": ("{at},12.5,{parts},0.5,{vals},0.1", ["loss"], 1),
}


@pytest.mark.parametrize("version", YOLO)
def test_the_layouts_of_ultralytics(tmp_path, version):
    template, parts, start = YOLO[version]
    header = ["epoch", *["time"] * ("12.5" in template), *[f"train/{p}" for p in parts],
              "metrics/mAP50(B)", *[f"val/{p}" for p in parts], "lr/pg0"]  # fmt: skip
    lines = [", ".join(f"{name:>20}" for name in header)]
    for i, (t, v) in enumerate(zip(TRAIN, VAL, strict=True)):
        cells = {"parts": ",".join([str(t)] * len(parts)), "vals": ",".join([str(v)] * len(parts))}
        lines.append(template.format(at=start + i, **cells))
    (tmp_path / "results.csv").write_text("\n".join(lines) + "\n")
    found = read_logs(tmp_path)
    assert found.skipped == ()
    assert plan(found) == [
        ("ultralytics", "+".join(f"val/{p}" for p in parts),
         "+".join(f"train/{p}" for p in parts), "epoch")
    ]  # fmt: skip
    np.testing.assert_allclose(found.curves[0].val, len(parts) * np.array(VAL), rtol=1e-15)
    assert found.curves[0].epoch.tolist() == [1, 2, 3, 4, 5, 6]


def test_of_ultralytics_loss_both_sets_give_the_same_parts(tmp_path):
    header = (
        "epoch,train/box_loss,train/dfl_loss,train/cls_loss,metrics/m,val/box_loss,val/cls_loss"
    )
    (tmp_path / "results.csv").write_text(header + "\n1,1,9.5,2,0,3,4\n")
    found = read_logs(tmp_path)
    assert (found.curves[0].train.tolist(), found.curves[0].val.tolist()) == ([3], [7])
    assert "recorded for one data set only: train/dfl_loss" in found.notes[0].text


def test_decimals_of_parquet(tmp_path):
    frame = pd.DataFrame({"epoch": range(6), "val_loss": [Decimal(str(v)) for v in VAL]})
    frame.to_parquet(tmp_path / "log.parquet")
    assert read_logs(tmp_path).curves[0].val.tolist() == VAL


def test_pytorch_s_folders_of_one_tag_are_one_run(tmp_path):
    for folder in ("a", "a/Loss_train", "a/Loss_val", "b_train", "b_val"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "events.out.tfevents.1.host").write_bytes(event_file())
    names = [run.split("/")[0] for run in read_logs(tmp_path).curves.runs]
    # without a file beside them nothing says that folders belong together
    assert sorted(names) == ["a", "b_train", "b_val"]


@pytest.mark.parametrize("step", [" 0", ""])
@pytest.mark.parametrize("often", [1, 3])
def test_mlflow_without_steps_is_counted_in_order_of_time(tmp_path, step, often):
    run = write_mlflow(tmp_path / "mlruns" / "0" / "abc")
    lines = [f"{100 * i + k} {t if k == often else 9.5}{step}\n"
             for i, t in enumerate(TRAIN) for k in range(1, often + 1)]  # fmt: skip
    (run / "metrics" / "train_loss").write_text("".join(lines))
    lines = [f"{100 * i + 9} {v}{step}\n" for i, v in enumerate(VAL)]
    (run / "metrics" / "val" / "loss").write_text("".join(lines))
    found = read_logs(tmp_path)
    curve = found.curves[0]
    checks = curve.measured("val")
    assert curve.val[checks].tolist() == VAL
    assert curve.train[checks].tolist() == TRAIN
    assert curve.epoch[checks].tolist() == [often * i for i in range(1, 7)]
    assert curve.epoch[0] == 1


def test_a_logged_model_s_metrics_are_not_a_run_of_their_own(tmp_path):
    write_mlflow(tmp_path / "mlruns" / "0" / "abc")
    write_mlflow(tmp_path / "mlruns" / "0" / "models" / "m-1")
    assert read_logs(tmp_path).curves.runs == ["mlruns/0/abc"]


@pytest.mark.parametrize(
    ("val", "train"),
    [
        ("run-fit_validation-tag-epoch_loss", "run-fit_train-tag-epoch_loss"),
        ("run-fit_-tag-val_loss", "run-fit_-tag-train_loss"),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "json"])
def test_what_tensorboard_s_page_saves_is_one_run(tmp_path, val, train, ending):
    for name, curve in ((val, VAL), (train, TRAIN)):
        points = [[1.7e9, i, x] for i, x in enumerate(curve)]
        text = "Wall time,Step,Value\n" + "".join(f"{a},{i},{x}\n" for a, i, x in points)
        path = tmp_path / f"{name}.{ending}"
        path.write_text(text if ending == "csv" else json.dumps(points))
    (tmp_path / f"run-other_train-tag-loss.{ending}").write_text("[]")
    found = read_logs(tmp_path)
    assert found.curves.runs == ["run-fit_"]
    assert found.curves[0].val.tolist() == VAL
    assert found.curves[0].train.tolist() == TRAIN
    assert len(found.skipped) == 1
