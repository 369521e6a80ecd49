"""The project's models in PyTorch: the default optimizer, the fused one, bfloat16 autocast."""

import sys

import work

try:
    import torch
    from torch import nn
except ModuleNotFoundError as error:
    sys.exit(
        f"{error}; .venv/bin/python -m pip install torch==2.13.0 "
        "--extra-index-url https://download.pytorch.org/whl/cpu"
    )

WAYS = ("default", "fused", "bfloat16")


def mnist_softmax():
    return nn.Linear(784, 10)


def mnist_deep():
    return nn.Sequential(
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


def main():
    arguments = work.parse(__doc__, WAYS)
    torch.manual_seed(0)
    constants = work.MODELS[arguments.model]
    model = {"mnist_softmax": mnist_softmax, "mnist_deep": mnist_deep}[arguments.model]()
    is_fused = arguments.way != "default"
    if is_fused:
        model = model.to(memory_format=torch.channels_last)
    optimizers = {"mnist_softmax": torch.optim.SGD, "mnist_deep": torch.optim.Adam}
    optimizer = optimizers[arguments.model](
        model.parameters(), lr=constants.learning_rate, fused=is_fused or None
    )
    examples = work.examples(arguments)
    # All images as floats at once, so that a step only picks its rows.
    images, labels = map(torch.from_numpy, work.batch(examples, slice(None)))
    if arguments.model == "mnist_deep":
        images = images.reshape(-1, 1, 28, 28)
        if is_fused:
            images = images.to(memory_format=torch.channels_last)

    def step(number):
        batch = torch.from_numpy(work.indices(number, arguments, len(examples)))
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=arguments.way == "bfloat16"):
            loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        loss.item()

    work.train(step, arguments)


if __name__ == "__main__":
    with work.one_line_errors():
        main()
