"""How a model is held: where its weights are, in what precision, how much of it on the device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from editing_core.errors import ModelMissing
from editing_core.models.attention_backend import SAID, attention_for, use_fused_attention
from editing_core.models.checkpoints import (
    SHIPPED_FOLDERS,
    ModelSource,
    configs,
    fetched,
    find,
    text_tokens,
)
from editing_core.models.memory_plan import (
    MemoryPlan,
    Sizes,
    choose,
    free_bytes,
    missing,
    plans,
    sentence,
    sizes_of,
)
from editing_core.models.placement import compile_blocks, emptied, parts_of


def planned(
    model: str,
    *,
    device: str | None = None,
    dtype: torch.dtype | None = None,
    memory: str = "auto",
    compiled: bool = False,
) -> LoadSpec:
    """Find a model and decide how to hold it, before any weight is fetched; see ``flux.load``."""
    source = find(model)
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    dtype = dtype or (torch.float32 if where.type == "cpu" else torch.bfloat16)
    held = LoadSpec(source, where, dtype, compiled)
    if memory == "auto" and (model in SHIPPED_FOLDERS or held.free is None):
        return held
    plan = choose(held.sizes, held.free or 0, wanted=memory, each=dtype.itemsize, device=where.type)
    return replace(held, plan=plan)


@dataclass(frozen=True)
class LoadSpec:
    """How a model is held, or will be once it is loaded.

    Attributes:
        source: Where its weights are.
        device: Where it runs.
        dtype: Precision of transformer and text encoders.
        compiled: Whether the transformer's blocks are.
        plan: What is kept where; without one, all as it is on the device.
    """

    source: ModelSource
    device: torch.device
    dtype: torch.dtype
    compiled: bool = False
    plan: MemoryPlan | None = None

    @cached_property
    def sizes(self) -> Sizes:
        """What decides how much memory the model needs."""
        file = self.source.file
        stored = file.stat().st_size if file is not None and self.source.gguf else 0
        return sizes_of(
            configs(self.source),
            text_tokens=text_tokens(self.source),
            stored=stored,
            layout=self.source.layout,
        )

    @property
    def how(self) -> str:
        """All of this that decides how numbers are rounded, in a word."""
        held = f"{self.plan.level.name} {self.plan.tile}" if self.plan else "as it is"
        return f"{self.dtype}, {held}{', compiled' if self.compiled else ''}"

    @property
    def free(self) -> int | None:
        """Bytes now free on the device, if that can be known."""
        return free_bytes(self.device)

    def said(self) -> str:
        """Tell in one sentence what the model needs and what will be done; "" without a plan."""
        if self.plan is None or self.free is None:
            return ""
        each = self.dtype.itemsize
        told = sentence(self.plan, self.sizes, self.free, each=each)
        attention = SAID[attention_for(self.device, self.dtype)]
        return f"{self.source.name} {told}; attention: {attention}."

    def lighter(self) -> LoadSpec | None:
        """The next plan that needs less memory; None if there is none."""
        if self.plan is None:
            return None
        for plan in plans(self.sizes, each=self.dtype.itemsize, device=self.device.type):
            if plan.peak < self.plan.peak and not missing(plan.level):
                return replace(self, plan=plan)
        return None

    def parts(self) -> tuple[dict[str, Any], LoadSpec]:
        """Fetch what is not there yet and load it, in less memory than planned where need be.

        Returns:
            The parts of a pipeline by name, and how they are held in fact.

        Raises:
            ModelMissing: It cannot be fetched or read.
        """
        held = replace(self, source=fetched(self.source))
        torch.empty(0, device=held.device)  # a device that is not there is no damaged file
        try:
            parts = parts_of(held.source, held.plan, held.device, held.dtype)
        except torch.OutOfMemoryError:
            parts = {}
        except ModelMissing:
            raise
        except Exception as error:  # files may come from anywhere, and libraries have their own
            where, reason = held.source.file or held.source.base, str(error) or repr(error)
            said = reason.splitlines()[0]
            raise ModelMissing(f"The model in {where} cannot be read: {said}") from error
        if not parts:
            if (lighter := held.lighter()) is None:
                raise ModelMissing(f"There is not enough memory for {held.source.name}.")
            emptied()
            return lighter.parts()
        use_fused_attention(parts["transformer"], self.device, self.dtype)
        if self.compiled:
            compile_blocks(parts["transformer"])
        return parts, held
