"""The last layer of LFM2 over packed rows: it is passed through for the tokens alone of which something is wanted."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers.models.lfm2.modeling_lfm2 import Lfm2DecoderLayer

from memfactory_core.policies.sharing.packing import Packed


class PackedLayer(Lfm2DecoderLayer):
    """Transformers' layer; where it is the last, attends and some places are scored, the tokens of `packed.end` leave
    it alone: (1, N, size) in, (1, P, size) out."""

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Everything else goes transformers' way."""
        packed: Packed | None = kwargs.get("packed")
        if packed is None or packed.scored is None:
            whole: Tensor = super().forward(hidden_states, *args, **kwargs)
            return whole
        end = packed.end
        read, _ = self.self_attn(
            self.operator_norm(hidden_states), *args, **kwargs | {"packed": end}
        )
        hidden_states = hidden_states[:, end.asking] + read
        left: Tensor = hidden_states + self.feed_forward(self.ffn_norm(hidden_states))
        return left


def take_last_layer(model: Any) -> None:
    """Exchanges the last layer of a model of LFM2 that ends with attention; nothing changes for its other calls."""
    last = list(_layers(model))[-1:]
    if last and type(last[0]) is Lfm2DecoderLayer and last[0].is_attention_layer:
        last[0].__class__ = PackedLayer


def narrows_at_end(model: nn.Module) -> bool:
    """Whether what leaves its backbone are the tokens of `packed.end`."""
    return any(isinstance(layer, PackedLayer) for layer in _layers(model))


def _layers(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, Lfm2DecoderLayer)]
