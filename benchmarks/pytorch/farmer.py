"""FARMER once more, in PyTorch, as a PyTorch user would write it: to check ours against, and to time beside it.

Shapes: batch B, tokens N of d channels, width W. Parameters have the names that checkpoints give them.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Norm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))
        self.shift = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.scale, self.shift)


def causal_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """[B, heads, N, W / heads]; PyTorch before 2.0 has no fused kernel."""
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)
    tokens = query.shape[-2]
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    future = torch.ones(tokens, tokens, dtype=torch.bool, device=query.device).triu(1)
    return scores.masked_fill(future, -math.inf).softmax(-1) @ value


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        split = lambda y: y.view(batch, tokens, self.heads, -1).transpose(1, 2)
        mixed = causal_attention(*(split(each(x)) for each in (self.query, self.key, self.value)))
        return self.output(mixed.transpose(1, 2).reshape(batch, tokens, width))


class Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.gelu(self.up(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attentionNorm, self.mlpNorm = Norm(width), Norm(width)
        self.attention = Attention(width, heads)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attentionNorm(x))
        return x + self.mlp(self.mlpNorm(x))


class Transformer(nn.Module):
    def __init__(self, layers: int, width: int, heads: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


class FlowBlock(nn.Module):
    """z_i = (x_i − μ(x_<i)) · exp(−a(x_<i)), tokens read forwards or backwards (eq. 8-10)."""

    def __init__(self, tokens: int, channels: int, backward: bool, layers: int, width: int, heads: int) -> None:
        super().__init__()
        self.backward_order = backward
        self.inputProjection = nn.Linear(channels, width)
        self.position = nn.Parameter(0.02 * torch.randn(tokens, width))
        self.transformer = Transformer(layers, width, heads)
        self.outputNorm = Norm(width)
        self.outputProjection = nn.Linear(width, 2 * channels)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        turn = (lambda y: y.flip(-2)) if self.backward_order else (lambda y: y)
        x = turn(x)
        hidden = self.transformer(self.inputProjection(x) + turn(self.position))
        # The first token stays; token i takes what token i − 1 predicts.
        predicted = F.pad(self.outputProjection(self.outputNorm(hidden))[:, :-1], (0, 0, 1, 0))
        shift, log_scale = predicted.chunk(2, -1)
        return turn((x - shift) * torch.exp(-log_scale)), -log_scale.sum((1, 2))


class Flow(nn.Module):
    def __init__(self, tokens: int, channels: int, blocks: int, **options: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(FlowBlock(tokens, channels, t % 2 == 1, **options) for t in range(blocks))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_det = x.new_zeros(x.shape[0])
        for block in self.blocks:
            x, own = block(x)
            log_det = log_det + own
        return x, log_det


class ArTransformer(nn.Module):
    """Mixture parameters of each token from [c × M, zᴵ_1 …], and those that the redundant channels share (eq. 11, 14)."""

    def __init__(self, model: dict, tokens: int, redundant: int) -> None:
        super().__init__()
        width, informative = model["ar"]["width"], model["informativeChannels"]
        self.repeat = model["conditionRepeat"]
        self.classEmbedding = nn.Embedding(model["classes"] + 1, width)
        self.inputProjection = nn.Linear(informative, width)
        self.position = nn.Parameter(0.02 * torch.randn(self.repeat + tokens, width))
        self.transformer = Transformer(**model["ar"])
        self.outputNorm = Norm(width)
        self.informativeHead = nn.Linear(width, model["components"] * (1 + 2 * informative))
        self.sharedHead = nn.Linear(width, model["sharedComponents"] * (1 + 2 * redundant)) if redundant else None

    def forward(self, informative: Tensor, labels: Tensor) -> tuple[Tensor, Tensor | None]:
        conditions = self.classEmbedding(labels)[:, None].expand(-1, self.repeat, -1)
        sequence = torch.cat([conditions, self.inputProjection(informative)], 1) + self.position
        hidden = self.outputNorm(self.transformer(sequence))
        shared = self.sharedHead(hidden[:, -1:]) if self.sharedHead else None
        return self.informativeHead(hidden[:, self.repeat - 1 : -1]), shared


def mixture_log_prob(z: Tensor, head: Tensor, components: int) -> Tensor:
    """log Σ_k π_k N(z; μ_k, σ_k²), [B, N]; σ = squareplus of its raw value. @param z [B, N, d]; head [B, N or 1, K(1 + 2d)]"""
    sizes = [components, components * z.shape[-1], components * z.shape[-1]]
    logits, means, raw = head.split(sizes, -1)
    each = (*head.shape[:-1], components, z.shape[-1])
    means, raw = means.view(each), raw.view(each)
    deviation = (0.5 * (raw + (raw * raw + 4).sqrt())).clamp_min(1e-6)
    distance = (z[:, :, None] - means) / deviation
    density = -0.5 * distance.square() - deviation.log() - 0.5 * math.log(2 * math.pi)
    return torch.logsumexp(logits.log_softmax(-1) + density.sum(-1), -1)


class Farmer(nn.Module):
    """@param model a configuration with an affine autoregressive flow and an AR prior, as `farmer info --json` prints it"""

    def __init__(self, model: dict, tokens: int, channels: int) -> None:
        super().__init__()
        self.model = model
        flow = {name: model["flow"][name] for name in ("blocks", "layers", "width", "heads")}
        self.flow = Flow(tokens, channels, **flow)
        self.ar = ArTransformer(model, tokens, channels - model["informativeChannels"])

    def log_likelihood(self, tokens: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The parts of log p(x), [B] each. @param tokens X [B, N, d]"""
        z, log_det = self.flow(tokens)
        if (len(self.flow.blocks) - (0 if self.model["finalPermutation"] else 1)) % 2 == 1:
            z = z.flip(1)
        informative = z[..., : self.model["informativeChannels"]]
        redundant = z[..., self.model["informativeChannels"] :]
        heads, shared = self.ar(informative, labels)
        parts = {"informative": mixture_log_prob(informative, heads, self.model["components"]).sum(1), "logDet": log_det}
        if shared is not None:
            parts["redundant"] = mixture_log_prob(redundant, shared, self.model["sharedComponents"]).sum(1)
        return parts

    def loss(self, tokens: Tensor, labels: Tensor) -> Tensor:
        return -sum(self.log_likelihood(tokens, labels).values()).mean() / tokens[0].numel()
