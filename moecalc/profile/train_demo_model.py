"""The small mixture of experts that `moecalc routing --train-demo` trains: shapes, routing, balancing, task.

Everything here needs torch (extra `profile`), which is imported when a model is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from torch import Tensor

Way = Literal["none", "auxiliary", "bias", "too-large"]


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of the task, the model and the training, as `train_demo` states them."""

    input_size: int = 16
    output_size: int = 8
    clusters: int = 32
    layers: int = 2
    hidden_size: int = 32
    experts: int = 16
    top_k: int = 2
    intermediate_size: int = 32
    batch: int = 512
    steps: int = 400
    learning_rate: float = 3e-3
    auxiliary_coefficient: float = 0.01
    too_large_coefficient: float = 10.0
    bias_step: float = 0.001
    evaluated: int = 8192
    curve_every: int = 10


class Task:
    """Clusters around random centres, each with a linear map of its own from input to output.

    An input is a centre (standard normal, per cluster) plus half a standard normal; the output is the cluster's map
    of the input, scaled by 1/sqrt(input size). Clusters are drawn with probability proportional to 1/rank: some of
    what there is to learn is common and some is rare, as in text.
    """

    def __init__(self, setting: Setting, seed: int) -> None:
        import torch

        self._setting = setting
        self._generator = torch.Generator().manual_seed(seed)
        self._centres = torch.randn(setting.clusters, setting.input_size, generator=self._generator)
        self._maps = torch.randn(
            setting.clusters, setting.input_size, setting.output_size, generator=self._generator
        ) / (setting.input_size**0.5)
        self._weights = 1 / torch.arange(1, setting.clusters + 1, dtype=torch.float32)

    def draw(self, size: int) -> tuple[Tensor, Tensor]:
        """Inputs [size, input size] and outputs [size, output size], the next ones of the stream."""
        import torch

        which = torch.multinomial(self._weights, size, replacement=True, generator=self._generator)
        noise = torch.randn(size, self._setting.input_size, generator=self._generator)
        inputs = self._centres[which] + noise / 2
        return inputs, torch.einsum("bi,bio->bo", inputs, self._maps[which])


def select(scores: Tensor, bias: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """The experts of each token and their weights.

    The bias moves the choice alone; the weights are the unbiased scores of the chosen, made to sum to 1 (DeepSeek-V3,
    arXiv:2412.19437, section 2.1.2, equation 16).
    """
    chosen = (scores + bias).topk(top_k, dim=-1).indices
    weights = scores.gather(-1, chosen)
    return chosen, weights / weights.sum(-1, keepdim=True)


def auxiliary_loss(probabilities: Tensor, chosen: Tensor) -> Tensor:
    """E sum_i f_i P_i of one layer (Switch Transformer, arXiv:2101.03961, equation 4), with f over all choices.

    1 where the load is even; gradients flow through the probabilities alone.
    """
    import torch

    experts = probabilities.shape[-1]
    counts = torch.bincount(chosen.flatten(), minlength=experts)
    return experts * (counts / chosen.numel() * probabilities.mean(0)).sum()


def bias_after(bias: Tensor, counts: Tensor, step: float) -> Tensor:
    """The bias raised by `step` where the load is below the mean, else lowered (arXiv:2408.15664, algorithm 1)."""
    import torch

    return bias + step * torch.sign(counts.float().mean() - counts.float())


class Model:
    """Input map, layers of normalised, routed experts beside a residual, output map."""

    def __init__(self, setting: Setting, seed: int) -> None:
        import torch

        self._setting = setting
        generator = torch.Generator().manual_seed(seed)

        def matrix(*shape: int) -> Tensor:
            made = torch.randn(*shape, generator=generator) / shape[-2] ** 0.5
            return made.requires_grad_()

        size, experts, width = setting.hidden_size, setting.experts, setting.intermediate_size
        self.into = matrix(setting.input_size, size)
        self.out = matrix(size, setting.output_size)
        self.routers = [matrix(size, experts) for _ in range(setting.layers)]
        self.up = [matrix(experts, size, width) for _ in range(setting.layers)]
        self.down = [matrix(experts, width, size) for _ in range(setting.layers)]
        self.biases = [torch.zeros(experts) for _ in range(setting.layers)]

    @property
    def parameters(self) -> list[Tensor]:
        """All that the optimizer moves; the biases of the choice are not among them."""
        return [self.into, self.out, *self.routers, *self.up, *self.down]

    def forward(self, inputs: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Outputs [batch, output size], and each layer's probabilities [batch, experts] and choices [batch, top_k]."""
        import torch
        from torch.nn import functional

        hidden = inputs @ self.into
        routed = []
        for router, up, down, bias in zip(self.routers, self.up, self.down, self.biases, strict=True):
            normed = functional.layer_norm(hidden, hidden.shape[-1:])
            probabilities = torch.softmax(normed @ router, -1)
            chosen, weights = select(probabilities, bias, self._setting.top_k)
            # All experts over all tokens: at this size faster than sorting tokens by expert.
            spread = torch.zeros_like(probabilities).scatter(-1, chosen, weights)
            inner = functional.gelu(torch.einsum("bh,ehw->ebw", normed, up))
            hidden = hidden + torch.einsum("ebw,ewh,be->bh", inner, down, spread)
            routed.append((probabilities, chosen))
        return hidden @ self.out, routed

    def counts(self, chosen: Tensor) -> Any:
        """Choices that fell on each expert."""
        import torch

        return torch.bincount(chosen.flatten(), minlength=self._setting.experts)
