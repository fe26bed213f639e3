"""The compiler comes when something asks for it, as itself and whole, and not before."""

import pytest

from tests.test_shape import modules_after

SYMPY = "sympy"
LOAD = "import torch; import runner.trial; from runner.worker.late_compiler import is_standing_in; "
STEP = (
    "p = torch.nn.Parameter(torch.ones(2)); o = torch.optim.AdamW([p]); "
    "p.sum().backward(); o.step(); o.zero_grad(); "
)


def test_a_plain_step_asks_for_nothing() -> None:
    modules = modules_after(f"{LOAD}{STEP}assert is_standing_in()")
    assert SYMPY not in modules and "torch._inductor" not in modules


@pytest.mark.parametrize(
    "asks",
    [
        "from torch._dynamo.exc import TorchDynamoException as E; import torch._dynamo.exc as m; "
        "assert m.TorchDynamoException is E",
        "import torch._dynamo.debug_utils",
        "import torch._dynamo.config; assert torch._dynamo.config.recompile_limit; "
        "assert torch._dynamo.config.__spec__.origin",
        "from torch._subclasses.fake_tensor import FakeTensorMode; FakeTensorMode().__enter__()",
        "from torch._dynamo import optimize",
        "from torch._dynamo.utils import counters; import torch._dynamo.utils as m; "
        "assert m.counters is counters",
        "f = torch.compile(lambda x: 2 * x, backend='eager'); assert f(torch.ones(2)).sum() == 4",
    ],
)
def test_whatever_asks_gets_the_compiler_itself(asks: str) -> None:
    whole = (
        "import sys, torch._dynamo as d; from torch._dynamo.convert_frame import exc; "
        "assert exc is sys.modules['torch._dynamo.exc'] is d.exc and d is torch._dynamo; "
        "assert d.exc.__spec__.loader.__class__.__name__ == 'SourceFileLoader'; "
        "assert '__dynamo_disable' not in vars(torch.optim.Optimizer.zero_grad.__wrapped__)"
    )
    loaded = modules_after(f"{LOAD}{STEP}{asks}; assert not is_standing_in(); {whole}")
    assert SYMPY in loaded
