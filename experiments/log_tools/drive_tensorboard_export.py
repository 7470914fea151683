# /// script
# dependencies = ["tensorboard==2.21.0"]
# [tool.earlystop]
# formats = ["tensorboard-export"]
# ///
"""The answers of TensorBoard's server to a download of one scalar, as CSV and as JSON.

The page names a file by run and tag, and a browser puts an underscore for the slash in either.
"""

import numpy as np
from _numbers import TRAIN, VAL, arguments, done, kept
from tensorboard import default, program
from tensorboard.backend import application
from tensorboard.backend.event_processing import data_ingester
from torch.utils.tensorboard import SummaryWriter
from werkzeug.test import Client

folder = arguments()
events = folder.parent / "events"
STEPS = [100, 200, 300, 400, 500, 600]
SETS = {"train": TRAIN, "validation": VAL}
for name, values in SETS.items():
    # Keras writes one run per data set
    with SummaryWriter(events / "fit" / name) as writer:
        for step, value in zip(STEPS, values, strict=True):
            writer.add_scalar("epoch_loss", value, step)

server = program.TensorBoard(plugins=default.get_plugins())
server.configure(argv=["", "--logdir", str(events), "--load_fast", "false"])
ingester = data_ingester.LocalDataIngester(server.flags)
ingester.deprecated_multiplexer.AddRunsFromDirectory(str(events))
ingester.deprecated_multiplexer.Reload()
app = application.TensorBoardWSGIApp(
    server.flags,
    server.plugin_loaders,
    ingester.data_provider,
    server.assets_zip_provider,
    ingester.deprecated_multiplexer,
)
client = Client(app)
for form in ("csv", "json"):
    (folder / form).mkdir()
    for name in SETS:
        query = {"tag": "epoch_loss", "run": f"fit/{name}", "format": form}
        answer = client.get("/data/plugin/scalars/scalars", query_string=query)
        path = folder / form / f"run-fit_{name}-tag-epoch_loss.{form}"
        path.write_bytes(answer.data)


def single(values):
    """As the event file keeps them: numbers of four bytes."""
    return np.float32(values).astype(float).tolist()


run = {
    "val": single(VAL),
    "train": single(TRAIN),
    "epoch": STEPS,
    "unit": "step",
    "direction": "min",
}
done(kept("csv", run), kept("json", run))
