"""The small mixture of experts that `moecalc routing --train-demo` trains: shapes, routing, balancing, task.

Everything here needs torch (extra `profile`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.specs.train_demo import Setting


class Task:
    """Clusters around random centres, each with a linear map of its own from input to output.

    An input is a centre (standard normal, per cluster) plus half a standard normal; the output is the cluster's map
    of the input, scaled by 1/sqrt(input size). Clusters are drawn with probability proportional to 1/rank: some of
    what there is to learn is common and some is rare, as in text.
    """

    def __init__(self, setting: Setting, seed: int) -> None:
        self._setting = setting
        self._generator = torch.Generator().manual_seed(seed)
        self._centres = torch.randn(setting.clusters, setting.input_size, generator=self._generator)
        self._maps = torch.randn(
            setting.clusters, setting.input_size, setting.output_size, generator=self._generator
        ) / (setting.input_size**0.5)
        self._weights = 1 / torch.arange(1, setting.clusters + 1, dtype=torch.float32)

    def draw(self, size: int) -> tuple[Tensor, Tensor]:
        """Inputs [size, input size] and outputs [size, output size], the next ones of the stream."""
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
    experts = probabilities.shape[-1]
    counts = torch.bincount(chosen.flatten(), minlength=experts)
    return experts * (counts / chosen.numel() * probabilities.mean(0)).sum()


def bias_after(bias: Tensor, counts: Tensor, step: float) -> Tensor:
    """The bias raised by `step` where the load is below the mean, else lowered (arXiv:2408.15664, algorithm 1)."""
    return bias + step * torch.sign(counts.float().mean() - counts.float())


class Model:
    """Input map, layers of normalised, routed experts beside a residual, output map."""

    def __init__(self, setting: Setting, seed: int) -> None:
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
        hidden = inputs @ self.into
        routed = []
        for router, up, down, bias in zip(self.routers, self.up, self.down, self.biases, strict=True):
            normed = functional.layer_norm(hidden, hidden.shape[-1:])
            probabilities = torch.softmax(normed @ router, -1)
            chosen, weights = select(probabilities, bias, self._setting.top_k)
            hidden = hidden + routed_experts(normed, up, down, chosen, weights)
            routed.append((probabilities, chosen))
        return hidden @ self.out, routed

    def counts(self, chosen: Tensor) -> Any:
        """Choices that fell on each expert."""
        return torch.bincount(chosen.flatten(), minlength=self._setting.experts)


class Grouped(torch.autograd.Function):  # type: ignore[misc]  # torch is not followed
    """Rows of each group times its own matrix, written into one tensor.

    What autograd does by itself with a product per expert, at a third of the time for products this small.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, matrices: Tensor, loads: list[int]) -> Tensor:
        """Rows [rows, inner] sorted by group, matrices [groups, inner, outer], rows of each group."""
        ctx.save_for_backward(rows, matrices)
        ctx.loads = loads
        made = rows.new_empty(len(rows), matrices.shape[-1])
        for part, matrix, into in zip(rows.split(loads), matrices, made.split(loads), strict=True):
            torch.mm(part, matrix, out=into)
        return made

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        """The gradients of rows and matrices."""
        rows, matrices = ctx.saved_tensors
        (grad,) = grads
        of_rows, of_matrices = torch.empty_like(rows), torch.empty_like(matrices)
        parts = zip(grad.split(ctx.loads), rows.split(ctx.loads), of_rows.split(ctx.loads), strict=True)
        for at, (of_part, part, into) in enumerate(parts):
            torch.mm(of_part, matrices[at].T, out=into)
            torch.mm(part.T, of_part, out=of_matrices[at])
        return of_rows, of_matrices, None


def routed_experts(tokens: Tensor, up: Tensor, down: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    """The weighted sum of each token's chosen experts [tokens, hidden size]; GELU between `up` and `down`.

    Choices are sorted by expert, so that each expert sees its tokens in one product.
    """
    top_k = chosen.shape[-1]
    order = chosen.flatten().argsort()
    loads = torch.bincount(chosen.flatten(), minlength=len(up)).tolist()
    inner = functional.gelu(Grouped.apply(tokens[order // top_k], up, loads))
    weighted = Grouped.apply(inner, down, loads) * weights.flatten()[order, None]
    return torch.zeros_like(tokens).index_add(0, order // top_k, weighted)
