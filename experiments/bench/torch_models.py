"""Feed-forward, convolutional, residual and recurrent nets in PyTorch: baselines.

Images are (n, c, h, w). Needs the extra `bench`.
"""

import torch
from torch import nn
from torch.nn import functional


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
    inputs = 1
    for features in channels:
        layers += [
            nn.Conv2d(inputs, features, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
        inputs, side = features, side // 2
    flat = inputs * side * side
    dense = [nn.Flatten(), nn.Linear(flat, hidden), nn.ReLU()]
    return nn.Sequential(*layers, *dense, nn.Linear(hidden, outputs))


class Block(nn.Module):
    """Two 3x3 convolutions, and the shortcut without parameters (option A)."""

    def __init__(self, inputs: int, features: int, stride: int) -> None:
        super().__init__()
        self.first = _normed(inputs, features, stride)
        self.second = _normed(features, features, 1)
        self.stride = stride
        self.padding = features - inputs

    def forward(self, x):
        y = self.second(functional.relu(self.first(x)))
        x = x[:, :, :: self.stride, :: self.stride]
        if self.padding:
            half = self.padding // 2
            x = functional.pad(x, (0, 0, 0, 0, half, self.padding - half))
        return functional.relu(x + y)


def _normed(inputs: int, features: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, features, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(features))


def resnet(depth: int, outputs: int, *, width: int = 16, inputs: int = 3) -> nn.Module:
    """The residual net of 6n + 2 layers: stem, ReLU, blocks, mean, flatten, dense."""
    layers: list[nn.Module] = [_normed(inputs, width, 1), nn.ReLU()]
    inputs = width
    for stage in range(3):
        for i in range((depth - 2) // 6):
            features = width * 2**stage
            layers.append(Block(inputs, features, 2 if stage and i == 0 else 1))
            inputs = features
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *pool, nn.Linear(inputs, outputs))


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


class Seq2Seq(nn.Module):
    """A bidirectional GRU encoder and a GRU decoder with Luong's attention.

    Tokens (n, 2 t), of the source and of the decoder's inputs -> logits
    (n, vocabulary, t).
    """

    def __init__(self, vocabulary: int, embedding: int, hidden: int) -> None:
        super().__init__()
        self.source_embed = nn.Embedding(vocabulary, embedding)
        self.target_embed = nn.Embedding(vocabulary, embedding)
        self.encoder = nn.GRU(embedding, hidden, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(2 * hidden, hidden)
        self.decoder = nn.GRU(embedding, hidden, batch_first=True)
        self.query = nn.Linear(hidden, 2 * hidden, bias=False)
        self.combine = nn.Linear(3 * hidden, hidden)
        self.output = nn.Linear(hidden, vocabulary)

    def forward(self, tokens):
        source, decoder_inputs = tokens.chunk(2, 1)
        memory_BSH, final = self.encoder(self.source_embed(source))
        state = torch.tanh(self.bridge(torch.cat([*final], -1)))
        y_BTH, _ = self.decoder(self.target_embed(decoder_inputs), state[None])
        scores_BTS = self.query(y_BTH) @ memory_BSH.transpose(1, 2)
        context_BTH = torch.softmax(scores_BTS, -1) @ memory_BSH
        y_BTH = torch.tanh(self.combine(torch.cat([context_BTH, y_BTH], -1)))
        return self.output(y_BTH).transpose(1, 2)
