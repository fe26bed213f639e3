"""What goes into the last projections of both towers, which are parameters and no modules."""

from collections.abc import Callable
from typing import Any

from open_clip.transformer import VisionTransformer, text_global_pool
from torch import Tensor, nn

from methods.compute.distributed import Ranks
from methods.tuning._covariances import Covariances


class Pooled(Covariances):
    """The sums of z z^T over pairs, z the pooled features of norm 1, by the projection's name.

    Hooks on the last normalisation of each tower read its output, and pool it as the tower does.
    Each row adds 1 to the trace, so the sum over its trace is a mean.
    """

    def __init__(self) -> None:
        super().__init__()
        # The token ids (B, L) of the text that is being encoded
        self._ids: Tensor | None = None

    def watch(self, model: nn.Module, ranks: Ranks, what: str) -> None:
        """Register hooks on both towers, until `stop`; the error message names `what`.

        Raises:
            ValueError: the towers are not those of a ViT and a text transformer of open_clip.
        """
        self.begin(ranks)
        visual = getattr(model, "visual", None)
        plain = isinstance(visual, VisionTransformer) and visual.attn_pool is None
        projected = isinstance(getattr(model, "text_projection", None), nn.Parameter)
        if not plain or not projected or getattr(visual, "proj", None) is None:
            raise ValueError(
                f"{what} needs a ViT and a text transformer that each end with a projection; this "
                "backbone has others. Use tuning 'linear_probe'"
            )
        assert isinstance(visual, VisionTransformer)
        watched: tuple[tuple[Any, Callable[..., None]], ...] = (
            (visual.ln_post, self._image_hook(visual)),
            (model.token_embedding, self._ids_hook),
            (model.ln_final, self._text_hook(model)),
        )
        for module, hook in watched:
            self._hooks.append(module.register_forward_hook(hook))

    def _image_hook(self, visual: VisionTransformer) -> Callable[..., None]:
        """Return a hook that adds the features of images."""

        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
            # Where the tower pools first, the rows are pooled already
            pooled = output if output.ndim == 2 else visual._global_pool(output)[0]
            self.add("visual.proj", pooled, unit=True)

        return hook

    def _ids_hook(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Remember which texts are being encoded, as pooling looks for their last token."""
        self._ids = inputs[0]

    def _text_hook(self, model: Any) -> Callable[..., None]:
        """Return a hook that adds the features of texts."""

        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
            last = getattr(model, "text_eos_id", None)
            pooled = text_global_pool(output, self._ids, model.text_pool_type, eos_token_id=last)
            self.add("text_projection", pooled, unit=True)

        return hook

    def stop(self) -> None:
        """Remove the hooks, and forget the sums and the text."""
        super().stop()
        self._ids = None
