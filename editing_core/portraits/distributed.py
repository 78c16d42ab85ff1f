"""Several processes that train one model, as torchrun or accelerate start them.

Each takes its share of a batch. Their gradients are averaged, or, where a model is divided among
them, each keeps a part of its weights (FSDP2).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

Made = TypeVar("Made")


def init_distributed() -> torch.device:
    """Join the other processes, if any, and return the device of this one."""
    gpu = torch.cuda.is_available()
    if "RANK" in os.environ:
        distributed.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo")
    if not gpu:
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    torch.cuda.set_device(device)
    return device


def processes() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Which of them this is."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def main_process_first(make: Callable[[], Made]) -> Made:
    """Let the first of several processes make what the others then find in its file."""
    if rank() > 0:
        barrier()
    made = make()
    if rank() == 0:
        barrier()
    return made


def barrier() -> None:
    """Wait until every process is here."""
    if processes() > 1:
        distributed.barrier()


def any_process(wanted: bool) -> bool:
    """Whether any process wants something; all must do it at the same step."""
    if processes() == 1:
        return wanted
    flag = torch.tensor(float(wanted))  # on the device in use
    distributed.all_reduce(flag)
    return bool(flag > 0)


def average_gradients(model: nn.Module) -> None:
    """Give all processes the mean of their gradients; those of divided weights have it already."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    gradients = [gradient for gradient in gradients if not isinstance(gradient, DTensor)]
    if processes() == 1 or not gradients:
        return
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= processes()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def shard(modules: Iterable[nn.Module]) -> None:
    """Let each of several processes keep a part of the weights of modules, inner ones first.

    A module gathers them whenever it is called, and lets them go again.
    """
    if processes() > 1:
        for module in modules:
            fully_shard(module)


def gather_full(state: Any) -> Any:
    """Divided tensors, however deep in dictionaries and lists, put together again."""
    if isinstance(state, dict):
        return {name: gather_full(value) for name, value in state.items()}
    if isinstance(state, list):
        return [gather_full(value) for value in state]
    return state.full_tensor() if isinstance(state, DTensor) else state


def shard_like(x: Tensor, like: Tensor) -> Tensor:
    """This process's part of a tensor that all have, if ``like`` is divided."""
    if not isinstance(like, DTensor):
        return x
    return distribute_tensor(x, like.device_mesh, like.placements, src_data_rank=None)
