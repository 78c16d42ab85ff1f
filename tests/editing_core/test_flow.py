import math

import pytest
import torch
from tiny_flux import tiny_flux

from editing_core.models.canvas import Canvas
from editing_core.solvers import integrate, integrate_euler, integrate_taylor, shifted_times


def walk_error(solver, steps):
    """Error of x' = -x from x(1) = 1 down to t = 0, where x = e."""
    times = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    x = solver(lambda x, t, call: -x, torch.ones(1, dtype=torch.float64), times)
    return abs(x.item() - math.e)


@pytest.mark.parametrize("rising", [True, False])
def test_velocity_3t2_arrives_at_t3(rising):
    times = torch.linspace(0, 1, 101, dtype=torch.float64)
    times = times if rising else times.flip(0)
    seen = []
    integrate(
        lambda x, t, call: torch.full_like(x, 3 * t**2), times[:1] ** 3, times, on_step=seen.append
    )
    for step in seen:
        assert step.x.item() == pytest.approx(step.t**3, abs=3e-5)
    assert [step.index for step in seen] == list(range(100))


def test_midpoint_with_reuse_is_second_order():
    assert walk_error(integrate, 20) / walk_error(integrate, 40) == pytest.approx(4, rel=0.1)
    assert walk_error(integrate, 40) < 1e-3


def test_taylor_is_second_order():
    ratio = walk_error(integrate_taylor, 20) / walk_error(integrate_taylor, 40)
    assert ratio == pytest.approx(4, rel=0.1)


def test_euler_is_first_order():
    ratio = walk_error(integrate_euler, 20) / walk_error(integrate_euler, 40)
    assert ratio == pytest.approx(2, rel=0.1)


def curved(x, t, call=None):
    """A velocity without symmetries."""
    return torch.sin(3 * x) + t**2 * x.roll(1) - t


@pytest.mark.parametrize("rising", [True, False])
def test_second_order_walks_written_out(rising):
    """RF-Solver's Taylor steps and FireFlow's reused midpoints, each in its authors' own form."""
    start = torch.randn(5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    times = shifted_times(8, 0.5).flip(0) if rising else shifted_times(8, 0.5)
    taylor = fireflow = start
    cached = curved(start, times[0].item())
    for t, t_next in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        h = t_next - t
        v = curved(taylor, t)
        slope = (curved(taylor + h / 2 * v, t + h / 2) - v) / (h / 2)
        taylor = taylor + h * v + h**2 / 2 * slope
        cached = curved(fireflow + h / 2 * cached, t + h / 2)
        fireflow = fireflow + h * cached
    torch.testing.assert_close(integrate_taylor(curved, start, times), taylor, atol=1e-12, rtol=0)
    torch.testing.assert_close(integrate(curved, start, times), fireflow, atol=1e-12, rtol=0)
    assert (taylor - fireflow).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("solver", "expected"), [(integrate, 9), (integrate_euler, 8), (integrate_taylor, 16)]
)
def test_model_calls(solver, expected):
    calls, times = [], shifted_times(8, 0.5)
    solver(lambda x, t, call: calls.append((t, call)) or x, torch.ones(1), times)
    assert len(calls) == expected
    for t, call in calls:
        t_start, t_end = times[call.step].item(), times[call.step + 1].item()
        assert t == pytest.approx((t_start + t_end) / 2 if call.midpoint else t_start)


def test_control_replaces_the_velocity():
    x = integrate(
        lambda x, t, call: torch.ones_like(x),
        torch.zeros(1),
        torch.linspace(1, 0, 5),
        control=lambda i, x, t, t_next, v: v * i,
    )
    assert x.item() == pytest.approx(-0.25 * (0 + 1 + 2 + 3))


def test_flux_1_times_at_512_pixels():
    known = [1, 0.9293, 0.8492, 0.7578, 0.6525, 0.5298, 0.3849, 0.2115, 0]
    times = tiny_flux().times(8, Canvas(512, 512))
    torch.testing.assert_close(times, torch.tensor(known, dtype=torch.float64), atol=1e-4, rtol=0)


@pytest.mark.parametrize("side", [128, 512])
def test_flux_1_times_are_those_of_diffusers(side):
    from diffusers import FlowMatchEulerDiscreteScheduler
    from diffusers.pipelines.flux.pipeline_flux import calculate_shift

    canvas = Canvas(side, side)
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    even = torch.linspace(1, 1 / 8, 8).tolist()
    scheduler.set_timesteps(sigmas=even, mu=calculate_shift(canvas.tokens))
    times = tiny_flux().times(8, canvas).float()
    torch.testing.assert_close(times, scheduler.sigmas, atol=1e-5, rtol=0)
