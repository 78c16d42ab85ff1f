"""The contract of a world, kept by every one of them."""

import random
import resource
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from tiny_networks import photograph

from editing_core.worlds.registry import WORLDS, shipped_world, world_named, world_of
from tools import inspection
from tools.adjustments import adjusted

every_world = pytest.mark.parametrize("name", WORLDS)


def world(name: str) -> Any:
    found = world_named(name)
    assert found is not None
    return found


@every_world
def test_a_world_has_the_name_of_its_model(name: str) -> None:
    assert world(name).name == name
    assert world_named("flux-dev") is None


@every_world
def test_the_schema_fits_together(name: str) -> None:
    schema = world(name).schema
    assert set(schema.removable) <= set(schema.values)
    assert set(schema.color_of) | set(schema.color_of.values()) <= set(schema.values)


@every_world
def test_captions_are_attributes_and_attributes_captions(name: str) -> None:
    known = world(name)
    _, caption = known.sample()
    attributes = known.parse(caption)
    assert known.contains(caption) and world_of(caption) is shipped_world()
    assert known.caption(attributes) == caption


@pytest.mark.parametrize("caption", ["a golden retriever at sunset", "a red car", ""])
def test_what_no_world_can_show_is_in_none(caption: str) -> None:
    assert world_of(caption) is None


@every_world
def test_asked_for_nothing_a_world_changes_nothing(name: str) -> None:
    known = world(name)
    _, caption = known.sample()
    attributes = known.parse(caption)
    assert known.apply(attributes, {}) == attributes
    assert known.instruction(caption, caption) == ""


@every_world
def test_each_change_has_words_and_a_kind(name: str) -> None:
    known = world(name)
    _, caption = known.sample()
    before = known.parse(caption)
    for attribute in known.schema.removable:
        value = known.schema.values[attribute][1]
        after = known.apply(before, {attribute: value})
        changed = {key: to for key, to in after.items() if before.get(key, "none") != to}
        if changed:
            assert known.instruction(caption, known.caption(after))
            kind = known.kind(before, changed)
            assert kind == ("add" if before.get(attribute, "none") == "none" else "replace")


@every_world
def test_the_same_seed_draws_the_same_picture(name: str) -> None:
    known = world(name)
    assert known.sample()[0].tobytes() == known.draw({})[0].tobytes()
    assert known.draw({}, seed=8)[0].tobytes() != known.sample()[0].tobytes()


@pytest.mark.weights
@every_world
def test_a_world_sees_what_it_drew(name: str) -> None:
    known = world(name)
    image, caption = known.sample()
    wanted = known.parse(caption)
    seen = known.judge(image)
    right = [key for key in wanted if seen.get(key) == wanted[key]]
    assert len(right) >= 0.9 * len(wanted)


@pytest.mark.parametrize(("seen", "model"), [({}, "flux-dev"), ({"age": "old"}, "portraits-128")])
def test_a_strange_picture_is_told_which_model_may_know_it(
    monkeypatch: pytest.MonkeyPatch, seen: dict[str, str], model: str
) -> None:
    def named(name: str) -> Any:
        return SimpleNamespace(name=name, judge=lambda _: seen if name == "portraits-128" else {})

    monkeypatch.setattr(inspection, "world_named", named)
    assert f"--model {model}" in inspection.strange(named("portraits"), Image.new("RGB", (8, 8)))


@pytest.mark.weights
def test_other_pictures_are_of_no_world() -> None:
    from tiny_flux import noise_picture

    assert shipped_world().judge(noise_picture(64, 64)) == {}


@pytest.mark.weights
@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
def test_photographs_are_of_no_world(name: str) -> None:
    assert shipped_world().judge(photograph(name, 512)) == {}


@pytest.mark.weights
@pytest.mark.parametrize(
    "done", ["as it is", "brightness -30", "brightness +30", "contrast +50", "flip horizontal"]
)
def test_portraits_whose_colours_were_changed_are_still_known(done: str) -> None:
    name, _, value = done.partition(" ")
    rng, known = random.Random(4), shipped_world()
    for seed in range(6):
        shows = {key: rng.choice(values) for key, values in known.schema.values.items()}
        image, _ = known.draw(shows, seed=seed, side=96)
        assert known.judge(image if name == "as" else adjusted(image, name, value))


@pytest.mark.weights
def test_a_picture_of_48_megapixels_is_named_in_little_memory() -> None:
    image, caption = shipped_world().draw({"headwear": "beanie"}, side=700)
    large = image.resize((7000, 7000), Image.Resampling.NEAREST)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seen = shipped_world().judge(large)
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert shipped_world().caption(seen) == caption and taken < 400_000, "kilobytes"
