"""A module that warns when quantisation skips it; see `src.recurrent.quantise`."""

from __future__ import annotations

import warnings
from typing import Any

from torch import nn
from torch.nn.utils.parametrize import type_before_parametrizations


class Quantisable(nn.Module):
    """Warns if torch.ao.quantization, which sets ``qconfig``, leaves a module in float."""

    @property
    def qconfig(self) -> Any:
        """Quantisation settings; None: no quantisation."""
        if "_qconfig" not in self.__dict__:
            raise AttributeError("qconfig")
        return self.__dict__["_qconfig"]

    @qconfig.setter
    def qconfig(self, asked: Any) -> None:
        from torch.ao.quantization.quantization_mappings import DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS

        kind = type_before_parametrizations(self)
        if kind not in DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS:
            warnings.warn(f"{kind.__name__} stays in float: it has no quantised form", stacklevel=3)
        elif asked is None:
            call = f"quantize_dynamic(model, {{torch.nn.Linear, {kind.__module__}.{kind.__name__}}})"
            warnings.warn(
                f"{kind.__name__} stays in float because it is not named; to quantise it: {call}", stacklevel=3
            )
        self.__dict__["_qconfig"] = asked

    @qconfig.deleter
    def qconfig(self) -> None:
        self.__dict__.pop("_qconfig", None)
