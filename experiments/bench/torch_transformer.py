"""Transformers in PyTorch, from its own layers: baselines. Needs the extra `bench`."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional


class Gpt(nn.Module):
    """A pre-norm decoder with GELU: tokens (n, t) -> logits (n, vocabulary, t)."""

    def __init__(
        self, vocabulary: int, width: int, depth: int, heads: int, max_len: int
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.zeros(max_len, width))
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
        mask = nn.Transformer.generate_square_subsequent_mask(
            t, dtype=self.positions.dtype
        )
        x = self.embed(tokens) + self.positions[:t]
        for block in self.blocks:
            x = block(x, src_mask=mask, is_causal=True)
        return (self.norm(x) @ self.embed.weight.T).transpose(1, 2)

    @torch.inference_mode()
    def generate(self, tokens, steps: int, *, cache: bool):
        """Samples (n, steps) tokens after a prompt (n, t); cache: with a KV cache."""
        n, prompt_len = tokens.shape
        heads, width = self.blocks[0].self_attn.num_heads, self.embed.embedding_dim
        shape = (len(self.blocks), n, heads, len(self.positions), width // heads)
        keys, values = torch.empty(shape), torch.empty(shape)
        for position in range(prompt_len, prompt_len + steps):
            if cache:
                start = position - 1 if position > prompt_len else 0
                logits = self._decode(tokens[:, start:], start, keys, values)
            else:
                logits = self(tokens)[..., -1]
            new = torch.multinomial(logits.softmax(-1), 1)
            tokens = torch.cat([tokens, new], 1)
        return tokens[:, prompt_len:]

    def _decode(self, tokens, start, keys, values):
        """Logits (n, vocabulary) after tokens (n, t) from position `start` on.

        Writes the tokens' keys and values, a (n, heads, max_len, size) a block, into
        the cache.
        """
        n, t = tokens.shape
        end = start + t
        x = self.embed(tokens) + self.positions[start:end]
        for block, k_BHTD, v_BHTD in zip(self.blocks, keys, values, strict=True):
            attention = block.self_attn
            qkv = functional.linear(block.norm1(x), attention.in_proj_weight)
            q_BHTD, new_k, new_v = qkv.view(n, t, 3, attention.num_heads, -1).permute(
                2, 0, 3, 1, 4
            )
            k_BHTD[:, :, start:end], v_BHTD[:, :, start:end] = new_k, new_v
            y_BHTD = functional.scaled_dot_product_attention(
                q_BHTD, k_BHTD[:, :, :end], v_BHTD[:, :, :end], is_causal=t > 1
            )
            x = x + attention.out_proj(y_BHTD.transpose(1, 2).reshape(n, t, -1))
            x = x + block.linear2(functional.gelu(block.linear1(block.norm2(x))))
        return self.norm(x[:, -1]) @ self.embed.weight.T


class EncoderDecoder(nn.Module):
    """A post-norm encoder and decoder with ReLU.

    Tokens (n, 2 t), of the source and of the decoder's inputs -> logits
    (n, vocabulary, t).
    """

    def __init__(
        self,
        vocabulary: int,
        width: int,
        depth: int,
        heads: int,
        ratio: int,
        max_len: int,
    ) -> None:
        super().__init__()
        self.source_embed = nn.Embedding(vocabulary, width)
        self.target_embed = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.zeros(max_len, width))
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

    def forward(self, tokens, mask=None):
        source, decoder_inputs = tokens.chunk(2, 1)
        t = decoder_inputs.shape[1]
        padding = None if mask is None else ~mask
        causal = nn.Transformer.generate_square_subsequent_mask(
            t, dtype=self.positions.dtype
        )
        memory_BSD = self.source_embed(source) + self.positions[:t]
        for block in self.encoder:
            memory_BSD = block(memory_BSD, src_key_padding_mask=padding)
        y_BTD = self.target_embed(decoder_inputs) + self.positions[:t]
        for block in self.decoder:
            y_BTD = block(
                y_BTD,
                memory_BSD,
                tgt_mask=causal,
                tgt_is_causal=True,
                memory_key_padding_mask=padding,
            )
        return self.head(y_BTD).transpose(1, 2)
