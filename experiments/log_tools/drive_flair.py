# /// script
# dependencies = ["flair==0.15.1"]
# [tool.earlystop]
# formats = ["csv"]
# ///
"""Flair's loss.tsv, whose losses have four decimals: a small tagger on words of its own."""

import logging

import flair
from _numbers import arguments, done, kept
from flair.data import Corpus, Sentence
from flair.datasets import FlairDatapointDataset
from flair.embeddings import OneHotEmbeddings
from flair.models import SequenceTagger
from flair.trainers import ModelTrainer
from flair.trainers.plugins import TrainerPlugin

folder = arguments()
flair.set_seed(0)
logging.getLogger("flair").setLevel(logging.ERROR)


class Kept(TrainerPlugin):
    """The losses as the trainer publishes them."""

    def __init__(self):
        super().__init__()
        self.losses = {"train": [], "dev": []}

    @TrainerPlugin.hook
    def metric_recorded(self, record):
        name = str(record.name).replace("/", " ").split()
        if name[-1] == "loss" and name[0] in self.losses and len(name) == 2:
            self.losses[name[0]].append(float(record.value))


words = ["red", "house", "blue", "tree"]


def sentences(count):
    made = []
    for k in range(count):
        sentence = Sentence([*words[k % 4 :], "red", "tree"])
        for token in sentence:
            token.add_label("kind", "colour" if token.text in ("red", "blue") else "thing")
        made.append(sentence)
    return FlairDatapointDataset(made)


corpus = Corpus(train=sentences(12), dev=sentences(4), test=sentences(4))
labels = corpus.make_label_dictionary("kind", add_unk=False)
embeddings = OneHotEmbeddings.from_corpus(corpus, min_freq=1)
tagger = SequenceTagger(embeddings, labels, "kind", hidden_size=8, use_crf=False, use_rnn=False)
record = Kept()
ModelTrainer(tagger, corpus).train(
    folder / "tagger", max_epochs=4, mini_batch_size=4, plugins=[record], save_final_model=False
)
epochs = list(range(1, 5))
done(
    kept(
        "tagger/loss.tsv",
        {
            "val": [round(loss, 4) for loss in record.losses["dev"]],
            "train": [round(loss, 4) for loss in record.losses["train"]],
            "epoch": epochs,
            "unit": "epoch",
            "direction": "min",
        },
    )
)
