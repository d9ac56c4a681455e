"""Training of a classifier in eager PyTorch: the baseline of dljax's benchmarks.

Fused Adam, denormals flushed, freed buffers kept mapped, data in memory. Needs the
extra `bench`.
"""

import time

import numpy as np
import torch
from torch.nn import functional


def setup(threads: int) -> None:
    """Sets threads, denormals and malloc as dljax does."""
    from dljax.backend import keep_buffers_mapped

    keep_buffers_mapped()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)


class Trainer:
    """One run: a network, fused Adam, images (n, c, h, w) and labels in memory; or
    tokens (n, t), int32.
    """

    def __init__(
        self,
        net,
        inputs,
        labels,
        *,
        batch_size,
        learning_rate=1e-3,
        channels_last=False,
    ):
        self.channels_last = channels_last
        self.net = net.to(memory_format=torch.channels_last) if channels_last else net
        self.optimizer = torch.optim.Adam(
            self.net.parameters(), lr=learning_rate, fused=True
        )
        self.inputs = torch.as_tensor(inputs)
        self.labels = torch.as_tensor(labels)
        self.batch_size = batch_size

    def _batch(self, rows):
        if self.inputs.dtype == torch.int32:
            return self.inputs[rows], self.labels[rows].long()
        x = self.inputs[rows].float() / 255
        if self.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        return x, self.labels[rows]

    def steps(self, rows: torch.Tensor, count: int, start: int = 0) -> None:
        """`count` updates on consecutive batches of the permutation `rows`."""
        per_epoch = len(rows) // self.batch_size
        for i in range(start, start + count):
            offset = i % per_epoch * self.batch_size
            x, y = self._batch(rows[offset : offset + self.batch_size])
            self.optimizer.zero_grad(set_to_none=True)
            functional.cross_entropy(self.net(x), y).backward()
            self.optimizer.step()

    @torch.no_grad()
    def accuracy(self, rows: torch.Tensor) -> float:
        """Accuracy on the examples `rows`."""
        x, y = self._batch(rows)
        return float((self.net(x).argmax(1) == y).float().mean())


def train_seeds(
    seeds,
    arrays,
    splits,
    *,
    epochs,
    evaluations,
    make_net,
    batch_size,
    learning_rate,
) -> dict:
    """Trains one run a seed, in sequence, after a warm-up that does not count.

    Returns:
      "secs", of all runs; "accuracy", their mean on test data.
    """
    images, labels = arrays
    trainer = Trainer(make_net(), images, labels, batch_size=batch_size)
    trainer.steps(torch.as_tensor(splits[0]["train"]), 20)
    start = time.perf_counter()
    accuracies = []
    for seed in seeds:
        torch.manual_seed(seed)
        split = {k: torch.as_tensor(v) for k, v in splits[seed % 5].items()}
        trainer = Trainer(
            make_net(),
            images,
            labels,
            batch_size=batch_size,
            learning_rate=learning_rate,
        )
        per_epoch = len(split["train"]) // batch_size
        eval_every = max(1, epochs * per_epoch // evaluations)
        count = 0
        for _ in range(epochs):
            rows = split["train"][torch.randperm(len(split["train"]))]
            for step in range(per_epoch):
                trainer.steps(rows, 1, step)
                count += 1
                if count % eval_every == 0:
                    trainer.accuracy(split["valid"])
        accuracies.append(trainer.accuracy(split["test"]))
    return {
        "secs": time.perf_counter() - start,
        "accuracy": float(np.mean(accuracies)),
    }
