"""The guarantee of a calibrated threshold in words."""

from earlystop_lab._common.wording import spoken
from earlystop_lab.report.messages import in_words, reason, said, share_of
from earlystop_lab.studies.calibration import Calibrated


@in_words.register
def _(found: Calibrated) -> str:
    promise = found.promise
    kind = "mean" if promise.exceed is None else "exceed"
    how = "conformal" if promise.confidence is None else "tested"
    numbers = found._asdict() | promise._asdict()
    numbers["unit"] = spoken(promise.unit)
    numbers["of_positions"] = share_of(found.watched.unit)
    below = "calibration.below" if found.watched.scores else "calibration.above"
    numbers["excess_of"] = said(below, numbers)
    numbers |= {
        name: said(f"calibration.{what}", numbers)
        for name, what in {"error": f"{how}_error", "new": promise.unit, "how": how}.items()
    }
    numbers["elsewhere"] = said("calibration.elsewhere", {}) if promise.unit == "run" else ""
    numbers["counts"] = said(f"calibration.{kind}_counts", numbers)
    numbers["promise"] = said(f"calibration.promised_{kind}", numbers)
    warnings = [said("calibration.warning", {"why": reason(each)}) for each in found.warnings]
    return "\n".join([said("calibration", numbers), *warnings])
