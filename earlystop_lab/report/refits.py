"""How long to train on all data, in words."""

from earlystop_lab._common.wording import spoken
from earlystop_lab.report.messages import in_words, said
from earlystop_lab.studies.refits import Refit


@in_words.register
def _(found: Refit) -> str:
    lines = [said("refit", found._asdict() | {"unit": spoken(found.unit)})]
    lines += [said("refit.power", each) for each in found.powers.to_dict("records")]
    if found.short:
        lines.append(said("refit.short", found._asdict()))
    return "\n".join(lines)
