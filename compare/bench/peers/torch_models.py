"""The project's models in PyTorch, and the losses that they are trained with.

A model maps inputs by name, [n, ...] each, to one output or to outputs by name.
"""

import itertools

import torch
from torch import nn
from torch.nn import functional as F


class Images(nn.Sequential):
    """Layers for images [n, 784]; with `side`, as pictures [n, 1, 28, 28]."""

    def __init__(self, *layers, side=28):
        super().__init__(*layers)
        self.side = side

    def forward(self, images):
        if self.side:
            images = images.reshape(-1, 1, self.side, self.side)
        return super().forward(images)


def mnist_softmax():
    return Images(nn.Linear(784, 10), side=None)


mnist_pipeline = mnist_softmax


def mnist_naive():
    return Images(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10), side=None)


def mnist_mlp():
    layers = [nn.Linear(784, 200), nn.ReLU(), nn.Linear(200, 60), nn.ReLU(), nn.Linear(60, 10)]
    return Images(*layers, side=None)


def mnist_deep():
    return Images(
        nn.Conv2d(1, 32, 5, padding="same"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5, padding="same"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(7 * 7 * 64, 1024),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(1024, 10),
    )


def mnist_convnet():
    return Images(
        nn.Conv2d(1, 12, 3, padding="same"),
        nn.ReLU(),
        nn.Conv2d(12, 24, 6, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(24, 32, 6, stride=2, padding=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(7 * 7 * 32, 200),
        nn.ReLU(),
        nn.Linear(200, 10),
    )


def separable(c, d, size=3, bias=True):
    """Convolves each channel by itself, then mixes the channels."""
    depthwise = nn.Conv2d(c, c, size, padding="same", groups=c, bias=False)
    return nn.Sequential(depthwise, nn.Conv2d(c, d, 1, bias=bias))


def mnist_separable():
    layers, channels = [], (1, 32, 64, 64, 128, 64, 128)
    for k, (c, d) in enumerate(itertools.pairwise(channels), start=1):
        layers += [separable(c, d), nn.ReLU(), *([nn.MaxPool2d(2)] if k in (2, 4) else [])]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 32), nn.ReLU()]
    return Images(*layers, nn.Linear(32, 10))


class mnist_inception(nn.Module):
    def __init__(self):
        super().__init__()

        def conv(c, d, size, stride=1):
            return nn.Sequential(nn.Conv2d(c, d, size, stride, size // 2), nn.ReLU())

        pool = nn.AvgPool2d(3, 2, 1, count_include_pad=False)
        self.branches = nn.ModuleList(
            [
                conv(1, 16, 1, 2),
                nn.Sequential(conv(1, 16, 1), conv(16, 16, 3, 2)),
                nn.Sequential(pool, conv(1, 16, 3)),
                nn.Sequential(conv(1, 16, 1), conv(16, 16, 3), conv(16, 16, 3, 2)),
            ]
        )
        self.block = nn.Sequential(*(conv(64, 64, 3) for _ in range(3)))
        self.strided = nn.Sequential(conv(64, 64, 3), conv(64, 64, 3), nn.MaxPool2d(2))
        self.residual, self.fc = nn.Conv2d(64, 64, 1, 2), nn.Linear(64, 10)

    def forward(self, images):
        x = images.reshape(-1, 1, 28, 28)
        h = torch.cat([branch(x) for branch in self.branches], 1)
        h = self.block(h) + h
        return self.fc((self.strided(h) + self.residual(h)).mean([2, 3]))


class mnist_gan(nn.Module):
    """Both sides; `torch_mnist.py` updates the discriminator, then the generator."""

    def __init__(self):
        super().__init__()
        self.discriminator = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 1))
        self.generator = nn.Sequential(
            nn.Linear(100, 128), nn.ReLU(), nn.Linear(128, 784), nn.Sigmoid()
        )

    def forward(self, images):
        pictures = self.generator(torch.randn(len(images), 100, device=images.device))
        return self.discriminator(images), self.discriminator(pictures)

    def losses(self, images):
        """Yields the parameters of a side and its loss."""
        cross_entropy = F.binary_cross_entropy_with_logits
        real, fake = self(images)
        loss = cross_entropy(real, torch.ones_like(real))
        yield self.discriminator, loss + cross_entropy(fake, torch.zeros_like(fake))
        _, fake = self(images)
        yield self.generator, cross_entropy(fake, torch.ones_like(fake))


class same_digit(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.fc = nn.LSTM(28, 32, batch_first=True), nn.Linear(64, 1)

    def forward(self, first, second):
        states = [self.lstm(image.reshape(-1, 28, 28))[1][0][0] for image in (first, second)]
        return self.fc(torch.cat(states, 1))[:, 0]


class stories_qa(nn.Module):
    def __init__(self):
        super().__init__()
        self.embeddings = nn.ModuleList([nn.Embedding(10000, units) for units in (64, 32)])
        self.lstms = nn.ModuleList(
            [nn.LSTM(64, 32, batch_first=True), nn.LSTM(32, 16, batch_first=True)]
        )
        self.fc = nn.Linear(48, 500)

    def forward(self, story, question):
        parts = zip(self.embeddings, self.lstms, (story, question))
        return self.fc(torch.cat([lstm(embed(words))[1][0][0] for embed, lstm, words in parts], 1))


class Words(nn.Module):
    """An embedding, and layers for sequences [n, units, length]."""

    def __init__(self, words, units, *layers):
        super().__init__()
        self.embedding, self.layers = nn.Embedding(words, units), nn.Sequential(*layers)

    def forward(self, words):
        return self.layers(self.embedding(words).transpose(1, 2)).mean(2)


class reviews_conv1d(nn.Module):
    def __init__(self):
        super().__init__()
        layers = [nn.Dropout(0.75), nn.Conv1d(128, 32, 7), nn.ReLU(), nn.MaxPool1d(5)]
        self.words = Words(2000, 128, *layers, nn.Conv1d(32, 32, 7))
        self.fc = nn.Linear(32, 1)

    def forward(self, words):
        return self.fc(self.words(words))[:, 0]


class posts_profile(nn.Module):
    def __init__(self):
        super().__init__()
        layers, channels = [], (256, 128, 256, 256, 256, 256)
        for k, (c, d) in enumerate(itertools.pairwise(channels), start=1):
            layers += [nn.Conv1d(c, d, 5), nn.ReLU(), *([nn.MaxPool1d(5)] if k in (1, 3) else [])]
        self.words, self.fc = Words(50000, 256, *layers), nn.Linear(256, 128)
        self.heads = nn.ModuleDict({"age": nn.Linear(128, 1), "income": nn.Linear(128, 10)})
        self.heads["gender"] = nn.Linear(128, 1)

    def forward(self, words):
        h = F.relu(self.fc(self.words(words)))
        return {name: head(h).squeeze(1) for name, head in self.heads.items()}


class Xception(nn.Module):
    """As in tf2_style/training/xception.py: pictures [n, 3, h, w] to features [n, 2048]."""

    def __init__(self):
        super().__init__()

        def conv(c, d, size=3, stride=1):
            return nn.Sequential(nn.Conv2d(c, d, size, stride, bias=False), nn.BatchNorm2d(d))

        def sep(c, d):
            return nn.Sequential(separable(c, d, bias=False), nn.BatchNorm2d(d))

        relu, pool = nn.ReLU, nn.MaxPool2d(3, 2, 1)
        self.entry = nn.Sequential(conv(3, 32, 3, 2), relu(), conv(32, 64), relu())
        self.strided, self.residuals = nn.ModuleList(), nn.ModuleList()
        for k, (c, m, d) in enumerate(
            [(64, 128, 128), (128, 256, 256), (256, 728, 728), (728, 728, 1024)]
        ):
            first = [relu()] if k else []
            self.strided.append(nn.Sequential(*first, sep(c, m), relu(), sep(m, d), pool))
            self.residuals.append(conv(c, d, 1, 2))
        self.middle = nn.ModuleList(
            nn.Sequential(*[layer for _ in range(3) for layer in (relu(), sep(728, 728))])
            for _ in range(8)
        )
        self.exit = nn.Sequential(sep(1024, 1536), relu(), sep(1536, 2048), relu())

    def forward(self, h):
        h = self.entry(h)
        for k, (strided, residual) in enumerate(zip(self.strided, self.residuals)):
            h = strided(h) + residual(h)
            if k == 2:
                for block in self.middle:
                    h = block(h) + h
        return self.exit(h).mean([2, 3])


class stereo_xception(nn.Module):
    def __init__(self):
        super().__init__()
        self.xception, self.fc = Xception(), nn.Linear(4096, 1)

    def forward(self, left, right):
        states = [self.xception(picture.permute(0, 3, 1, 2)) for picture in (left, right)]
        return self.fc(torch.cat(states, 1))[:, 0]


def loss(outputs, targets):
    """Returns the loss of a batch, by the names of its targets."""
    losses = {
        "labels": (F.cross_entropy, 1),
        "answer": (F.cross_entropy, 1),
        "positive": (F.binary_cross_entropy_with_logits, 1),
        "same": (F.binary_cross_entropy_with_logits, 1),
        "disparity": (F.mse_loss, 1),
        "age": (F.mse_loss, 0.25),
        "income": (F.cross_entropy, 1),
        "gender": (F.binary_cross_entropy_with_logits, 10),
    }
    total = 0
    for name, target in targets.items():
        output = outputs[name] if isinstance(outputs, dict) else outputs
        function, weight = losses[name]
        if function is F.cross_entropy:
            target = target.long()
        total = total + weight * function(output, target)
    return total
