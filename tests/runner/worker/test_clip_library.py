"""What a worker imports: nothing that its trial does not use, and what it does use when it is needed."""

import json

import pytest

from tests.test_shape import modules_after

TOWER = {"width": 32, "layers": 1, "heads": 2, "context_length": 8, "vocab_size": 64}
TIMM = {"timm_model_name": "vit_tiny_patch16_224", "image_size": 32}


def test_a_worker_imports_no_library_of_towers_that_it_does_not_have() -> None:
    modules = modules_after("import runner.trial")
    # polars starts threads, which a process that forks workers must not have
    assert not {"transformers", "timm", "polars", "pyarrow", "torch._inductor.compile_fx"} & modules


@pytest.mark.parametrize("first", ["", "import timm; "])
def test_a_tower_of_timm_is_built_after_all(first: str) -> None:
    config = json.dumps({"embed_dim": 16, "vision_cfg": TIMM, "text_cfg": TOWER})
    build = f"from runner.worker.backbone import build; build({config!r}, 0)"
    modules = modules_after(f"{first}import runner.trial; {build}")
    assert "timm" in modules and "transformers" not in modules
