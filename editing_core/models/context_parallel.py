"""Several GPUs of one machine for one picture: torchrun --nproc-per-node N chat.py ...

Every process holds the whole model. The first does all that one alone would do, and the others
follow its model calls, and each computes its part of the tokens (context parallelism, Ulysses).
Which process this is can be told without loading torch.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol
from unittest.mock import patch

from editing_core.errors import EditError, ModelMissing

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LOST = "The processes that share this picture have lost each other; leave and begin again."
PATIENCE = timedelta(days=30)  # a person may think for long before the next model call


class SharedModel(Protocol):
    """A model whose calls several processes share."""

    transformer: Any

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        ...


def processes() -> int:
    """How many processes torchrun has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def follower() -> bool:
    """Whether another process leads."""
    return int(os.environ.get("RANK", "0")) > 0


def begin() -> None:
    """Meet the other processes, if any, and take this one's GPU, before a model is loaded."""
    if processes() == 1:
        return
    import torch
    import torch.distributed as dist

    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        backend = "cpu:gloo,cuda:nccl"  # who waits for a person does so on the CPU
    dist.init_process_group(backend, timeout=PATIENCE)


def share(model: SharedModel) -> None:
    """Compute every model call together from now on, if there are several processes.

    All of them have to ask for it. Attention hooks would see a part of the tokens, so the model
    then offers no attention layers.
    """
    import torch
    from diffusers import ContextParallelConfig

    from editing_core.models.diffusers_internals import context_parallel_plan

    if processes() == 1:
        return
    plan = context_parallel_plan(model.transformer)
    if not plan or "" not in plan:
        raise ModelMissing(
            "Several GPUs cannot share this model's pictures; begin without torchrun, or choose a "
            "model of FLUX.1 or FLUX.2."
        )
    together = ContextParallelConfig(ulysses_degree=processes(), ulysses_anything=True)
    split = {"": plan[""]}
    count = max(torch.accelerator.device_count(), 1)  # diffusers divides by it, on a CPU, too
    with patch.object(torch.accelerator, "device_count", lambda: count):
        model.transformer.enable_parallelism(config=together, cp_plan=split)
    model.transformer.proj_out.register_forward_hook(lambda module, args, part: _whole(part))
    if not follower():
        lead = Lead()
        model.transformer.register_forward_pre_hook(lead.tell, with_kwargs=True)
        model.transformer.register_forward_hook(lead.answered)
        atexit.register(lead.end)


def follow(model: SharedModel) -> None:
    """Take part in the model calls of the process that leads; this process ends with them."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that leads
    with torch.no_grad():
        while (inputs := _heard(model.device)) is not None:
            model.transformer(**inputs)
    leave(0)


def leave(code: int) -> None:
    """End this process, one of several, without taking down gloo's threads.

    These now and then abort a process that ends in the usual way (pytorch#190489), and torchrun
    takes that for a failure.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _whole(part: Tensor) -> Tensor:
    """Join the parts of all processes, (1, some tokens, channels), which may differ by a token."""
    import torch
    import torch.distributed as dist
    import torch.nn.functional as F

    counts = [torch.zeros(1, dtype=torch.long) for _ in range(processes())]
    dist.all_gather(counts, torch.tensor([part.shape[1]]))
    longest = int(max(counts))
    parts = [part.new_empty(1, longest, part.shape[2]) for _ in counts]
    dist.all_gather(parts, F.pad(part, (0, 0, 0, longest - part.shape[1])))
    return torch.cat([x[:, : int(n)] for x, n in zip(parts, counts, strict=True)], dim=1)


class Lead:
    """Sends model calls to the processes that follow.

    Attributes:
        in_step: Whether they wait for the next one, and not for what never came of the last.
    """

    def __init__(self) -> None:
        """Begin with all waiting."""
        self.in_step = True

    def tell(self, module: Any, args: Any, inputs: dict[str, Any]) -> None:
        """Send the inputs of a model call.

        Raises:
            EditError: The last one failed here alone, so the others wait for it forever.
        """
        if not self.in_step:
            raise EditError(LOST)
        self.in_step = False
        _send(inputs)

    def answered(self, module: Any, args: Any, made: Any) -> None:
        """Note that a call was made by all."""
        self.in_step = True

    def end(self) -> None:
        """Let the others go; those that wait forever are ended by torchrun, once this one fails."""
        import torch
        import torch.distributed as dist

        if not self.in_step:
            sys.stdout.flush()
            os._exit(1)
        dist.broadcast_object_list([None], src=0, device=torch.device("cpu"))


def _send(inputs: dict[str, Any]) -> None:
    """Send first what there is, then all tensors."""
    import torch
    import torch.distributed as dist

    tensors = {name: x for name, x in inputs.items() if isinstance(x, torch.Tensor)}
    rest = {name: x for name, x in inputs.items() if name not in tensors}
    shapes = {name: (tuple(x.shape), x.dtype) for name, x in tensors.items()}
    dist.broadcast_object_list([(shapes, rest)], src=0, device=torch.device("cpu"))
    for x in tensors.values():
        dist.broadcast(x.contiguous(), src=0)


def _heard(device: torch.device) -> dict[str, Any] | None:
    """Receive what ``_send`` sends; None at the end."""
    import torch
    import torch.distributed as dist

    said: list[Any] = [None]
    dist.broadcast_object_list(said, src=0, device=torch.device("cpu"))
    if said[0] is None:
        return None
    shapes, inputs = said[0]
    for name, (shape, dtype) in shapes.items():
        inputs[name] = torch.empty(shape, dtype=dtype, device=device)
        dist.broadcast(inputs[name], src=0)
    return dict(inputs)
