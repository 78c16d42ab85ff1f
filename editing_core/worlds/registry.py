"""The worlds there are, by the name of the model that draws each."""

from __future__ import annotations

from functools import cache

from editing_core.worlds.base import World

WORLDS = ("portraits", "portraits-128")


@cache
def world_named(name: str) -> World | None:
    """Return the world of a model, or None for a model that draws anything."""
    if name not in WORLDS:
        return None
    from editing_core.worlds.portrait_world import FirstPortraitWorld, PortraitWorld

    return PortraitWorld() if name == PortraitWorld.name else FirstPortraitWorld()


def shipped_world() -> World:
    """Return the world that comes with this program."""
    world = world_named(WORLDS[0])
    assert world is not None
    return world


@cache
def world_of(caption: str) -> World | None:
    """Return the world that can show all that a caption says, if any can."""
    worlds = (world_named(name) for name in WORLDS)
    return next((world for world in worlds if world and world.contains(caption)), None)
