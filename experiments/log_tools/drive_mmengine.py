# /// script
# dependencies = ["mmengine==0.10.7"]
# [tool.earlystop]
# formats = ["json"]
# ///
"""MMEngine's runner and its local visualizer: scalars.json, whose validation rows count epochs."""

import torch
from _numbers import arguments, done, kept
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import DataLoader, TensorDataset

folder = arguments()
vals = [2.4, 1.9, 2.1, 1.75]
losses = []


class Model(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, x, y, mode):
        if mode == "predict":
            return [x.mean()]
        loss = ((self.layer(x) - y) ** 2).mean()
        losses.append(loss.item())
        return {"loss": loss}


class Metric(BaseMetric):
    """A metric whose values are known."""

    def process(self, batch, samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return {"mse": next(known)}


known = iter(vals)
torch.manual_seed(0)
data = TensorDataset(torch.randn(12, 2), torch.randn(12, 1))
Runner(
    model=Model(),
    work_dir=str(folder / "work"),
    experiment_name="tiny",
    train_dataloader=DataLoader(data, batch_size=4),
    val_dataloader=DataLoader(data, batch_size=4),
    train_cfg={"by_epoch": True, "max_epochs": len(vals), "val_interval": 1},
    val_cfg={},
    val_evaluator=[Metric(prefix="val")],
    optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.01}},
    default_hooks={"logger": {"type": "LoggerHook", "interval": 1}},
    log_processor={"window_size": 1, "by_epoch": True},
    visualizer={"type": "Visualizer", "vis_backends": [{"type": "LocalVisBackend"}]},
    log_level="ERROR",
).train()
(scalars,) = (folder / "work").rglob("vis_data/scalars.json")
epochs = list(range(1, len(vals) + 1))
run = {"val": vals, "train": losses[2::3], "epoch": epochs, "unit": "epoch", "direction": "min"}
done(kept(scalars.relative_to(folder), run), kept(scalars.parent.relative_to(folder), run))
