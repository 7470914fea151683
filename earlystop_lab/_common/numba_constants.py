"""Registers :class:`settings.Constant` with numba: one type per value, with nothing to load.

Imported only together with numba, which takes longer than importing the rest of the package.
"""

from typing import Any

from numba import types
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    lower_getattr_generic,
    models,
    register_model,
    typeof_impl,
    unbox,
)

from earlystop_lab._common.settings import Constant


class ConstantType(types.Opaque):
    """The type of one value of a :class:`Constant`."""

    def __init__(self, value: Constant) -> None:
        self.value = value
        super().__init__(name=f"{type(value).__module__}.{value!r}")


register_model(ConstantType)(models.OpaqueModel)


@typeof_impl.register(Constant)
def _type_of(value: Constant, context: Any) -> ConstantType:
    return ConstantType(value)


@unbox(ConstantType)
def _taken(type_: ConstantType, value: Any, context: Any) -> NativeValue:
    return NativeValue(context.context.get_dummy_value())


def _field(type_: ConstantType, name: str) -> tuple[types.Type, int]:
    value = getattr(type_.value, name)
    return (types.boolean if isinstance(value, bool) else types.intp), value


@infer_getattr
class _Fields(AttributeTemplate):
    key = ConstantType

    def generic_resolve(self, type_: ConstantType, name: str) -> types.Type:  # type: ignore[override]
        return _field(type_, name)[0]


@lower_getattr_generic(ConstantType)
def _folded(context: Any, builder: Any, type_: ConstantType, value: Any, name: str) -> Any:
    return context.get_constant(*_field(type_, name))
