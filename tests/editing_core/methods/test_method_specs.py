"""What methods say of themselves, and which models they refuse for what those lack."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, is_dataclass, replace

import pytest

from editing_core.errors import EditError
from editing_core.methods.base import MethodSpec
from editing_core.methods.registry import METHODS, method_named, paired, refuse_model
from editing_core.models.offers import (
    FAMILIES,
    FIRST_EDITION,
    FLUX1,
    FLUX2,
    KNOWN,
    KONTEXT,
    SHIPPED,
    possible,
    spec_of,
)
from editing_core.settings import PRESETS, EditSettings

every_method = pytest.mark.parametrize("spec", METHODS.values(), ids=list(METHODS))


@every_method
def test_what_a_method_says_of_itself_exists(spec: MethodSpec) -> None:
    assert set(spec.reads) <= set(asdict(EditSettings()))
    assert set(spec.presets) <= set(PRESETS)
    assert spec.own is None or is_dataclass(spec.own)
    assert spec.edit.__doc__


@every_method
def test_what_methods_lack_of_the_shipped_model(spec: MethodSpec) -> None:
    """It looks at no other pictures, is another edition than anchor's, and lacks nothing else."""
    assert ("other pictures" in spec.lacking(SHIPPED)) == ("references" in spec.needs)
    assert ("portraits-128" in spec.lacking(SHIPPED)) == (spec.name == "anchor")
    assert spec.lacking(replace(FIRST_EDITION, references=1)) == ""


@every_method
def test_a_model_of_few_steps_is_refused_by_those_who_invert(spec: MethodSpec) -> None:
    distilled = replace(FLUX2, name="klein", invertible=False)
    assert ("noise" in spec.lacking(distilled)) == ("inversion" in spec.needs)


@every_method
def test_shared_attention_is_refused_by_those_who_look_into_it(spec: MethodSpec) -> None:
    lacking = spec.lacking(SHIPPED, attention=False)
    assert ("several GPUs" in lacking) == ("attention" in spec.needs)


def test_weights_of_a_world_know_no_other_latents() -> None:
    anchor = method_named("anchor")
    for other in (FLUX1, FLUX2, spec_of("somebody/tuned")):
        assert "--model portraits-128" in anchor.lacking(other)


def test_a_refusal_says_what_is_lacking_and_what_would_do() -> None:
    with pytest.raises(EditError) as refused:
        refuse_model(method_named("mtc"), SHIPPED, attention=False)
    assert str(refused.value) == (
        "The method mtc is not for the model portraits: it looks into attention, which several "
        "GPUs share; edit by steady or flowedit."
    )


def test_references_are_asked_for_by_need() -> None:
    instruct = method_named("instruct")
    assert "other pictures" in instruct.lacking(FLUX1)
    assert not instruct.lacking(FLUX2) and not instruct.lacking(KONTEXT)
    with pytest.raises(EditError) as refused:
        refuse_model(instruct, SHIPPED)
    assert str(refused.value) == (
        "The method instruct is not for the model portraits: it shows the model other pictures, at "
        "which this one cannot look; edit by steady or mtc."
    )


def test_a_choice_is_completed() -> None:
    assert paired("", "") == ("steady", "steady")
    assert paired("", "paper-15") == ("mtc", "paper-15")
    assert paired("fireflow", "") == ("fireflow", "paper")
    assert paired("anchor", "") == ("anchor", "steady")
    assert paired("mtc", "steady") == ("mtc", "steady")


def test_unknown_models_offer_what_flux_does() -> None:
    assert spec_of("flux-dev") is KNOWN["flux-dev"]
    assert spec_of("a/b") == replace(FLUX1, name="a/b")


def test_what_is_not_known_may_be_of_any_family() -> None:
    (klein,) = possible("black-forest-labs/FLUX.2-klein-base-4B")
    assert klein == replace(FLUX2, name="black-forest-labs/FLUX.2-klein-base-4B")
    assert possible("klein") == [KNOWN["klein"]]
    assert [spec.name for spec in possible("a/b")] == ["a/b"] * len(FAMILIES)
    assert {spec.family for spec in possible("a/b")} == {spec.family for spec in FAMILIES}


def test_the_list_of_methods_costs_no_time() -> None:
    code = (
        "import sys; from editing_core.methods import registry; "
        "sys.exit(bool({'torch', 'diffusers', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
