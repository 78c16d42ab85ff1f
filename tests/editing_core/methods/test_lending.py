"""Rivals that share features, each derived anew with plain loops and hooks on projections."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from method_cases import SETTINGS, SOURCE, STEPS, close, context, far, intervals, times_of, velocity

from editing_core.feature_injection import FeatureInjection
from editing_core.methods import (
    baselines,
    fireflow,
    masactrl,
    paired_sampling,
    pnp,
    rf_solver,
    stableflow,
)
from editing_core.methods.context import inverted_path


class Tap:
    """Records what modules make in one call and puts it into another, from token ``first`` on."""

    def __init__(self):
        self.kept, self.mode, self.handles = {}, None, []

    def on_output(self, module, first):
        hook = module.register_forward_hook(lambda m, args, out: self._through(m, out, first))
        self.handles.append(hook)

    def on_input(self, module, first):
        hook = module.register_forward_pre_hook(lambda m, args: self._through(m, args[0], first))
        self.handles.append(hook)

    def _through(self, module, x, first):
        if self.mode == "record":
            self.kept[module] = x.clone()
        elif self.mode == "replace" and module in self.kept:
            return torch.cat([x[:, :first], self.kept[module][:, first:]], 1)
        return x

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for handle in self.handles:
            handle.remove()


def attentions(of):
    """Attention of each block, and the first picture token in what its projections make."""
    transformer = of.model.transformer
    return [
        *((block.attn, 0) for block in transformer.transformer_blocks),
        *((block.attn, of.model.text_length) for block in transformer.single_transformer_blocks),
    ]


@pytest.mark.parametrize("steps_shared", [1, 2])
@pytest.mark.parametrize("method", [fireflow, rf_solver])
def test_values_of_the_inversion_written_out(method, steps_shared):
    of = context()
    taylor = method is rf_solver
    kept: list[dict] = []
    x, v = of.current, None
    with Tap() as tap:
        tap.on_output(attentions(of)[-1][0].to_v, 0)  # the only single block
        for i, (t, t_next) in enumerate(intervals(times_of(of)[::-1])):
            h = t_next - t
            recording = i >= STEPS - steps_shared
            step = {}
            for call in ("first", "second"):
                if call == "first" and v is not None and not taylor:
                    continue
                tap.mode, tap.kept = ("record" if recording else None), {}
                at = (x, t) if call == "first" else (x + h / 2 * v, t + h / 2)
                found = velocity(of, *at, of.source, 1.0)
                step[call] = tap.kept
                v, slower = found, v
            x = x + h * v if not taylor else x + h * slower + h**2 / 2 * (v - slower) / (h / 2)
            kept.append(step)
        v = None
        for i, (t, t_next) in enumerate(intervals(times_of(of))):
            h = t_next - t
            for call in ("first", "second"):
                if call == "first" and v is not None and not taylor:
                    continue
                given = kept[STEPS - 1 - i].get(call, {}) if i < steps_shared else {}
                tap.mode, tap.kept = "replace", given
                at = (x, t) if call == "first" else (x + h / 2 * v, t + h / 2)
                v, slower = velocity(of, *at, of.target, 2.5), v
            x = x + h * v if not taylor else x + h * slower + h**2 / 2 * (v - slower) / (h / 2)
    numbers = replace(method.PUBLISHED, share=steps_shared / STEPS, blocks=tuple(range(38)))
    close(method.edit(of, numbers).latents, x)
    assert far(method.edit(of, replace(numbers, blocks=())).latents, x)


def beside_written_out(of, tap, parts_in, *, corrected, nudge=1.0):
    """Euler there and back; ``parts_in(i)`` installs on ``tap`` what step i takes over."""
    path = [nudge * of.current]
    for t, t_next in intervals(times_of(of)[::-1]):
        path.append(path[-1] + (t_next - t) * velocity(of, path[-1], t, of.source, 1.0))
    source = target = path[-1]
    for i, (t, t_next) in enumerate(intervals(times_of(of))):
        with parts_in(i):
            tap.mode = "record"
            v_source = velocity(of, source, t, of.source, 1.0)
            tap.mode = "replace"
            v_target = velocity(of, target, t, of.target, 2.5)
        source = path[STEPS - 1 - i] if corrected else source + (t_next - t) * v_source
        target = target + (t_next - t) * v_target
    return target


@contextmanager
def tapped(tap, outputs, inputs=()):
    with tap:
        tap.kept, tap.handles = {}, []
        for module, first in outputs:
            tap.on_output(module, first)
        for module, first in inputs:
            tap.on_input(module, first)
        yield


def projections(of, names, blocks):
    """The named projections of some blocks."""
    every = attentions(of)
    return [(getattr(every[block][0], name), every[block][1]) for block in blocks for name in names]


def test_stableflow_written_out():
    of, tap = context(), Tap()
    vital = projections(of, ("to_k", "to_v"), (0, 5))  # 0, 1, 17 and 18 of 19 are 0 and 5 of 6
    expected = beside_written_out(of, tap, lambda i: tapped(tap, vital), corrected=True, nudge=1.15)
    close(stableflow.edit(of).latents, expected)


def test_masactrl_written_out():
    of, tap = context(), Tap()
    later = projections(of, ("to_k", "to_v"), (4, 5, 6))  # 10 of 16 blocks are 4 of 7
    expected = beside_written_out(
        of, tap, lambda i: tapped(tap, later if i >= 2 else []), corrected=False
    )
    close(masactrl.edit(of, replace(masactrl.PUBLISHED, begin=2 / 5)).latents, expected)


def test_pnp_written_out():
    of, tap = context(), Tap()
    maps = projections(of, ("to_q", "to_k"), (4, 5, 6))  # 8 of 16 blocks are 4 of 7
    output = [(attentions(of)[4][0].to_out[0], 0)]

    def parts_in(i):
        return tapped(tap, maps if i < 2 else [], output if i < 4 else [])

    close(pnp.edit(of).latents, beside_written_out(of, tap, parts_in, corrected=True))


def test_the_corrected_source_is_the_picture():
    of = context()
    close(pnp.source_and_target(of)[:1], of.current)
    path, none = inverted_path(of), FeatureInjection(of.model.attention(), {})
    uncorrected = paired_sampling.sample_beside(of, path[-1], none, lambda step: ())
    assert far(uncorrected[:1], of.current)


@pytest.mark.parametrize("parts", [("key", "value"), ("query", "key", "output")])
def test_beside_itself_sharing_all_changes_nothing(parts):
    of = context(SOURCE, replace(SETTINGS, guidance=1.0))
    shared = FeatureInjection(of.model.attention(), dict.fromkeys(range(7), parts))
    both = paired_sampling.sample_beside(of, inverted_path(of)[-1], shared, lambda step: parts)
    plain = baselines.euler(of).latents
    close(both[:1], plain)
    close(both[1:], plain)
    close(masactrl.edit(of).latents, plain)
