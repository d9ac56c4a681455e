"""Transformers in PyTorch, of its own layers: what dljax's are held to."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional


class Gpt(nn.Module):
    """A decoder: tokens (n, t) -> logits (n, vocabulary, t). Norms are before; GELU."""

    def __init__(
        self, vocabulary: int, width: int, depth: int, heads: int, longest: int
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.place = nn.Parameter(torch.zeros(longest, width))
        self.blocks: Any = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width,
                heads,
                4 * width,
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
                bias=False,
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width, bias=False)
        nn.init.normal_(self.embed.weight, std=0.02)

    def forward(self, tokens):
        t = tokens.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(t, dtype=self.place.dtype)
        x = self.embed(tokens) + self.place[:t]
        for block in self.blocks:
            x = block(x, src_mask=mask, is_causal=True)
        return (self.norm(x) @ self.embed.weight.T).transpose(1, 2)

    @torch.inference_mode()
    def generate(self, tokens, steps: int, *, cache: bool):
        """(n, steps) after tokens (n, t), drawn; `cache`: with keys and values kept."""
        n, there = tokens.shape
        heads, width = self.blocks[0].self_attn.num_heads, self.embed.embedding_dim
        shape = (len(self.blocks), n, heads, len(self.place), width // heads)
        keys, values = torch.empty(shape), torch.empty(shape)
        for at in range(there, there + steps):
            if cache:
                begin = at - 1 if at > there else 0
                logits = self._cached(tokens[:, begin:], begin, keys, values)
            else:
                logits = self(tokens)[..., -1]
            new = torch.multinomial(logits.softmax(-1), 1)
            tokens = torch.cat([tokens, new], 1)
        return tokens[:, there:]

    def _cached(self, tokens, begin, keys, values):
        """Logits (n, vocabulary) after tokens at `begin`..., whose keys and values are
        put with those of the tokens before.
        """
        n, t = tokens.shape
        end = begin + t
        x = self.embed(tokens) + self.place[begin:end]
        for block, k, v in zip(self.blocks, keys, values, strict=True):
            own = block.self_attn
            parts = functional.linear(block.norm1(x), own.in_proj_weight)
            q, new_k, new_v = parts.view(n, t, 3, own.num_heads, -1).permute(
                2, 0, 3, 1, 4
            )
            k[:, :, begin:end], v[:, :, begin:end] = new_k, new_v
            seen = functional.scaled_dot_product_attention(
                q, k[:, :, :end], v[:, :, :end], is_causal=t > 1
            )
            x = x + own.out_proj(seen.transpose(1, 2).reshape(n, t, -1))
            x = x + block.linear2(functional.gelu(block.linear1(block.norm2(x))))
        return self.norm(x[:, -1]) @ self.embed.weight.T


class Translator(nn.Module):
    """Encoder and decoder: tokens (n, 2 t), of the source and of what was before each
    of the target's -> logits (n, vocabulary, t). Norms are after; ReLU.
    """

    def __init__(
        self,
        vocabulary: int,
        width: int,
        depth: int,
        heads: int,
        ratio: int,
        longest: int,
    ) -> None:
        super().__init__()
        self.theirs = nn.Embedding(vocabulary, width)
        self.ours = nn.Embedding(vocabulary, width)
        self.place = nn.Parameter(torch.zeros(longest, width))
        fields: dict[str, Any] = {
            "dropout": 0.0,
            "activation": "relu",
            "batch_first": True,
        }
        hidden = ratio * width
        self.encoder = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, hidden, **fields)
            for _ in range(depth)
        )
        self.decoder = nn.ModuleList(
            nn.TransformerDecoderLayer(width, heads, hidden, **fields)
            for _ in range(depth)
        )
        self.head = nn.Linear(width, vocabulary)

    def forward(self, tokens, there=None):
        x, before = tokens.chunk(2, 1)
        t = before.shape[1]
        gone = None if there is None else ~there
        mask = nn.Transformer.generate_square_subsequent_mask(t, dtype=self.place.dtype)
        seen = self.theirs(x) + self.place[:t]
        for block in self.encoder:
            seen = block(seen, src_key_padding_mask=gone)
        y = self.ours(before) + self.place[:t]
        for block in self.decoder:
            y = block(
                y,
                seen,
                tgt_mask=mask,
                tgt_is_causal=True,
                memory_key_padding_mask=gone,
            )
        return self.head(y).transpose(1, 2)
