"""The same work in PyTorch, as fast as eager PyTorch does it: what dljax is held to.

Fused Adam, denormals flushed, freed buffers kept mapped, data in memory. Imported by
the workers of the benchmarks and by tests (extra `bench`).
"""

import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def setup(threads: int) -> None:
    """Threads, denormals and malloc as dljax has them."""
    from dljax.backend import keep_buffers_mapped

    keep_buffers_mapped()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)


def mlp(inputs: int, hidden: tuple[int, ...], outputs: int) -> nn.Module:
    """Flatten, hidden layers with ReLU, linear output."""
    widths = (inputs, *hidden)
    layers: list[nn.Module] = [nn.Flatten()]
    for a, b in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))


def cnn(side: int, channels: tuple[int, ...], hidden: int, outputs: int) -> nn.Module:
    """[3x3 convolution, ReLU, 2x2 max pooling] * n, dense, ReLU, dense."""
    layers: list[nn.Module] = []
    before = 1
    for features in channels:
        layers += [
            nn.Conv2d(before, features, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
        before, side = features, side // 2
    flat = before * side * side
    dense = [nn.Flatten(), nn.Linear(flat, hidden), nn.ReLU()]
    return nn.Sequential(*layers, *dense, nn.Linear(hidden, outputs))


class Block(nn.Module):
    """Two 3x3 convolutions, and the shortcut without parameters (option A)."""

    def __init__(self, inputs: int, features: int, stride: int) -> None:
        super().__init__()
        self.first = _normed(inputs, features, stride)
        self.second = _normed(features, features, 1)
        self.stride = stride
        self.more = features - inputs

    def forward(self, x):
        y = self.second(functional.relu(self.first(x)))
        x = x[:, :, :: self.stride, :: self.stride]
        if self.more:
            half = self.more // 2
            x = functional.pad(x, (0, 0, 0, 0, half, self.more - half))
        return functional.relu(x + y)


def _normed(inputs: int, features: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, features, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(features))


def resnet(depth: int, outputs: int, *, width: int = 16, inputs: int = 3) -> nn.Module:
    """The residual net of 6n + 2 layers: stem, ReLU, blocks, mean, flatten, dense."""
    layers: list[nn.Module] = [_normed(inputs, width, 1), nn.ReLU()]
    before = width
    for stage in range(3):
        for i in range((depth - 2) // 6):
            features = width * 2**stage
            layers.append(Block(before, features, 2 if stage and i == 0 else 1))
            before = features
    mean = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *mean, nn.Linear(before, outputs))


class Recurrent(nn.Module):
    """A recurrent net over the rows of images (n, 1, t, features), and a linear output
    from its last step.
    """

    def __init__(self, cell: str, features: int, hidden: int, outputs: int) -> None:
        super().__init__()
        kind = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell]
        self.net = kind(features, hidden, batch_first=True)
        self.output = nn.Linear(hidden, outputs)

    def forward(self, x):
        return self.output(self.net(x[:, 0])[0][:, -1])


class Translator(nn.Module):
    """A GRU that reads both ways, one that says, and Luong's attention between them.

    Tokens (n, s + t), of the source and of what was before each of the target's, which
    are as many -> logits (n, vocabulary, t).
    """

    def __init__(self, vocabulary: int, embedding: int, hidden: int) -> None:
        super().__init__()
        self.theirs = nn.Embedding(vocabulary, embedding)
        self.ours = nn.Embedding(vocabulary, embedding)
        self.reads = nn.GRU(embedding, hidden, batch_first=True, bidirectional=True)
        self.begin = nn.Linear(2 * hidden, hidden)
        self.says = nn.GRU(embedding, hidden, batch_first=True)
        self.ask = nn.Linear(hidden, 2 * hidden, bias=False)
        self.join = nn.Linear(3 * hidden, hidden)
        self.output = nn.Linear(hidden, vocabulary)

    def forward(self, tokens):
        x, before = tokens.chunk(2, 1)
        seen, ends = self.reads(self.theirs(x))
        begin = torch.tanh(self.begin(torch.cat([*ends], -1)))
        y, _ = self.says(self.ours(before), begin[None])
        shares = torch.softmax(self.ask(y) @ seen.transpose(1, 2), -1)
        both = torch.cat([shares @ seen, y], -1)
        return self.output(torch.tanh(self.join(both))).transpose(1, 2)


class Trainer:
    """One run: a network, fused Adam, images (n, c, h, w) and labels in memory; or
    tokens (n, t), int32.
    """

    def __init__(
        self, net, images, labels, *, batch_size, rate=1e-3, channels_last=False
    ):
        self.last = channels_last
        self.net = net.to(memory_format=torch.channels_last) if channels_last else net
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=rate, fused=True)
        self.images = torch.as_tensor(images)
        self.labels = torch.as_tensor(labels)
        self.size = batch_size

    def _batch(self, rows):
        if self.images.dtype == torch.int32:
            return self.images[rows], self.labels[rows].long()
        x = self.images[rows].float() / 255
        x = x.contiguous(memory_format=torch.channels_last) if self.last else x
        return x, self.labels[rows]

    def steps(self, rows: torch.Tensor, count: int, start: int = 0) -> None:
        """`count` updates on consecutive batches of the permutation `rows`."""
        per_epoch = len(rows) // self.size
        for i in range(start, start + count):
            at = i % per_epoch * self.size
            x, y = self._batch(rows[at : at + self.size])
            self.optimizer.zero_grad(set_to_none=True)
            functional.cross_entropy(self.net(x), y).backward()
            self.optimizer.step()

    @torch.no_grad()
    def accuracy(self, rows: torch.Tensor) -> float:
        """The share of the examples `rows` that are classified right."""
        x, y = self._batch(rows)
        return float((self.net(x).argmax(1) == y).float().mean())


def study(
    seeds, arrays, splits, *, epochs, evaluations, make, batch_size, rate
) -> dict:
    """Whole runs one after another: seconds and test accuracies, warm-up apart."""
    images, labels = arrays
    run = Trainer(make(), images, labels, batch_size=batch_size)
    run.steps(torch.as_tensor(splits[0]["train"]), 20)
    begun = time.perf_counter()
    accuracies = []
    for seed in seeds:
        torch.manual_seed(seed)
        parts = {k: torch.as_tensor(v) for k, v in splits[seed % 5].items()}
        run = Trainer(make(), images, labels, batch_size=batch_size, rate=rate)
        per_epoch = len(parts["train"]) // batch_size
        every = max(1, epochs * per_epoch // evaluations)
        done = 0
        for _ in range(epochs):
            rows = parts["train"][torch.randperm(len(parts["train"]))]
            for step in range(per_epoch):
                run.steps(rows, 1, step)
                done += 1
                if done % every == 0:
                    run.accuracy(parts["valid"])
        accuracies.append(run.accuracy(parts["test"]))
    return {
        "secs": time.perf_counter() - begun,
        "accuracy": float(np.mean(accuracies)),
    }
