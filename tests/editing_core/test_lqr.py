import pytest
import torch

from editing_core.lqr import dual_objective, dual_target, optimal_control, single_objective
from editing_core.solvers import integrate


def tensors(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(5, generator=generator, dtype=torch.float64) for _ in range(count)]


def test_the_dual_target_is_the_mean_of_its_two_with_their_weights():
    original, previous = tensors(2)
    mean = (0.6 * original + 1.4 * previous) / 2.0
    torch.testing.assert_close(mean, dual_target(original, previous, 0.7))


def test_optimal_control_minimises_the_cost():
    """The law toward the weighted mean is the best of all controls toward two (Proposition 1)."""
    first, second, z = tensors(3, seed=1)
    weights, steps = (0.5, 2.0), 10

    def cost(controls):
        end = z + controls.mean(0)
        misses = sum(
            w / 2 * (end - x).square().sum() for w, x in zip(weights, (first, second), strict=True)
        )
        return controls.square().sum() / (2 * steps) + misses

    controls = torch.zeros(steps, 5, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(cost(controls), controls)
    hessian = torch.autograd.functional.hessian(cost, controls).reshape(5 * steps, 5 * steps)
    best = -torch.linalg.solve(hessian, gradient.flatten()).view(steps, 5)

    x, walked, mean = z, [], (0.5 * first + 2.0 * second) / 2.5
    for i in range(steps):
        walked.append(optimal_control(x, mean, 1 - i / steps, weight=2.5))
        x = x + walked[-1] / steps
    torch.testing.assert_close(torch.stack(walked), best)


def test_heavy_weight_arrives_at_the_target():
    target, z = tensors(2)
    torch.testing.assert_close(
        optimal_control(z, target, 0.75, weight=1e12), optimal_control(z, target, 0.75)
    )
    torch.testing.assert_close(optimal_control(z, target, 0.75), (target - z) / 0.75)


def test_zero_strength_is_the_velocity_itself():
    noise, x, v = tensors(3)
    assert torch.equal(single_objective(noise, 0.0)(0, x, 0.0, 0.1, v), v)
    assert torch.equal(dual_objective(noise, 0.0, 4, 8)(0, x, 1.0, 0.9, v), v)
    assert torch.equal(dual_objective(noise, 0.9, 4, 8)(4, x, 0.6, 0.5, v), v)


def test_full_strength_arrives_at_the_target():
    target, x = tensors(2)
    even = torch.linspace(1, 0, 9, dtype=torch.float64)
    pulled = integrate(
        lambda x, t, call: x, x, even, control=dual_objective(target, 1.0, guided_steps=8, of=8)
    )
    torch.testing.assert_close(pulled, target)


def test_inversion_at_full_strength_arrives_at_the_noise():
    noise, x = tensors(2)
    even = torch.linspace(0, 1, 9, dtype=torch.float64)
    control = single_objective(noise, 1.0, "start")
    torch.testing.assert_close(integrate(lambda x, t, call: x, x, even, control=control), noise)


@pytest.mark.parametrize(("denominator", "pull"), [("code", 1 / 3), ("start", 0.5)])
def test_last_pull_of_the_inversion(denominator, pull):
    """gamma D / time left in the last step, as in the paper's release and in RF-Inversion."""
    zero = torch.zeros(1)
    control = single_objective(torch.ones(1), 0.5, denominator)
    t = 0.8
    assert (1 - t) * control(7, zero, t, 1.0, zero).item() == pytest.approx(pull)
