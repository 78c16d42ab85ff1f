"""How large the published models are: what `memory_plan.sizes_of` counts, kept.

To count, diffusers builds each network, which takes seconds; the list of models is to answer at
once. A test compares.
"""

from __future__ import annotations

from dataclasses import replace

from editing_core.models.layouts import BY_PIPELINE, LAYOUTS
from editing_core.models.memory_plan import Sizes

FLUX_DEV = Sizes(
    transformer=11_901_408_320,
    linear=11_898_322_944,
    rows=3_065_920,
    widest=56_623_104,
    block=339_831_296,
    blocks=11_837_283_328,
    text=4_885_371_136,
    text_layer=131_596_288,
    vae=83_819_683,
    width=3_072,
    text_tokens=512,
    vae_channels=(128, 256),
    layout=LAYOUTS["FluxTransformer2DModel"],
)
KLEIN = Sizes(
    transformer=3_875_544_576,
    linear=3_875_536_896,
    rows=1_016_960,
    widest=84_934_656,
    block=245_367_296,
    blocks=3_680_509_440,
    text=4_022_468_096,
    text_layer=388_956_160,
    vae=84_046_372,
    width=3_072,
    text_tokens=512,
    vae_channels=(128, 256),
    layout=LAYOUTS["Flux2Transformer2DModel"],
)
QWEN_IMAGE = Sizes(
    transformer=20_430_401_088,
    linear=20_424_818_688,
    rows=5_548_096,
    widest=56_623_104,
    block=339_831_296,
    blocks=20_389_877_760,
    text=8_292_166_656,
    text_layer=544_997_376,
    vae=126_892_531,
    width=3_072,
    text_tokens=512,
    vae_channels=(96, 192),
    layout=LAYOUTS["QwenImageTransformer2DModel"],
)
Z_IMAGE = Sizes(
    transformer=6_154_908_736,
    linear=6_153_863_168,
    rows=1_853_504,
    widest=39_321_600,
    block=180_910_336,
    blocks=6_143_056_384,
    text=4_022_468_096,
    text_layer=388_956_160,
    vae=83_819_683,
    width=3_840,
    text_tokens=512,
    vae_channels=(128, 256),
    layout=LAYOUTS["ZImageTransformer2DModel"],
)
SD35_LARGE = Sizes(
    transformer=8_146_280_768,
    linear=8_053_694_464,
    rows=2_765_248,
    widest=35_487_744,
    block=212_999_680,
    blocks=8_017_073_408,
    text=5_580_620_800,
    text_layer=131_596_288,
    vae=83_819_683,
    width=2_432,
    text_tokens=512,
    vae_channels=(128, 256),
    layout=LAYOUTS["SD3Transformer2DModel"],
)
SD35_MEDIUM = Sizes(
    transformer=2_469_663_936,
    linear=2_241_822_720,
    rows=1_241_152,
    widest=21_233_664,
    block=101_506_944,
    blocks=2_223_694_976,
    text=5_580_620_800,
    text_layer=131_596_288,
    vae=83_819_683,
    width=1_536,
    text_tokens=512,
    vae_channels=(128, 256),
    layout=LAYOUTS["SD3Transformer2DModel"],
)
QWEN_IMAGE_EDIT = replace(QWEN_IMAGE, layout=BY_PIPELINE["QwenImageEditPlusPipeline"])

SIZES = {
    "flux-dev": FLUX_DEV,
    "kontext": FLUX_DEV,
    "klein": KLEIN,
    "klein-distilled": KLEIN,
    "qwen-image": QWEN_IMAGE,
    "qwen-image-edit": QWEN_IMAGE_EDIT,
    "z-image": Z_IMAGE,
    "z-image-turbo": Z_IMAGE,
    "sd3.5": SD35_LARGE,
    "sd3.5-medium": SD35_MEDIUM,
    "sd3.5-turbo": SD35_LARGE,
}
"""By the names in ``offers.HUB``."""
