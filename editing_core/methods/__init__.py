"""The paper's method and its rivals, one small file each, one signature."""

from collections.abc import Callable

from editing_core.methods import euler, fireflow, mtc, regenerate
from editing_core.methods.task import Outcome, Task

Method = Callable[[Task], Outcome]

METHODS: dict[str, Method] = {
    "mtc": mtc.edit,
    "fireflow": fireflow.edit,
    "euler": euler.edit,
    "regenerate": regenerate.edit,
}
