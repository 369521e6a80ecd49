"""The project's models in PyTorch: the default optimizer, the fused one, compiled, bfloat16."""

import sys

import work

try:
    import torch
    import torch_models
except ModuleNotFoundError as error:
    sys.exit(
        f"{error}; .venv/bin/python -m pip install torch==2.13.0 "
        "--extra-index-url https://download.pytorch.org/whl/cpu"
    )

WAYS = ("default", "fused", "compiled", "bfloat16")
OPTIMIZERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop}


def optimizer_of(module, constants, is_fused):
    """Returns the optimizer; PyTorch has no fused RMSprop, but one loop over all parameters."""
    kind = "foreach" if constants.optimizer == "rmsprop" else "fused"
    options = {kind: True} if is_fused else {}
    # Keras and the project weigh the last square with 0.1, PyTorch with 0.01.
    options.update({"alpha": 0.9} if constants.optimizer == "rmsprop" else {})
    return OPTIMIZERS[constants.optimizer](
        module.parameters(), lr=constants.learning_rate, **options
    )


def tensors(examples):
    """Returns all inputs and targets as tensors, so that a step only picks its rows.

    Those of stereo_xception would take gigabytes, so each step draws its own.
    """
    parts = work.parts(examples, slice(None))
    return [{name: on_device(array) for name, array in part.items()} for part in parts]


def on_device(array):
    return torch.from_numpy(array).to("cuda" if torch.cuda.is_available() else "cpu")


def main():
    arguments = work.parse(__doc__, WAYS)
    torch.manual_seed(0)
    constants = work.MODELS[arguments.model]
    module = getattr(torch_models, arguments.model)()
    module = module.to("cuda" if torch.cuda.is_available() else "cpu")
    is_fused = arguments.way != "default"
    if is_fused:
        module = module.to(memory_format=torch.channels_last)
    examples = work.examples(arguments)
    kept = tensors(examples) if arguments.model != "stereo_xception" else None
    is_gan = arguments.model == "mnist_gan"
    sides = [module.discriminator, module.generator] if is_gan else [module]
    optimizers = [optimizer_of(side, constants, is_fused) for side in sides]

    def losses(inputs, targets):
        if is_gan:
            return (loss for _, loss in module.losses(**inputs))
        return iter([torch_models.loss(module(**inputs), targets)])

    if arguments.way == "compiled":
        module.forward = torch.compile(module.forward)

    def step(number):
        rows = work.indices(number, arguments, len(examples))
        if kept:
            rows = on_device(rows)
            inputs, targets = ({name: a[rows] for name, a in part.items()} for part in kept)
        else:
            parts = work.parts(examples, rows)
            inputs, targets = ({name: on_device(a) for name, a in part.items()} for part in parts)
        with torch.autocast("cpu", torch.bfloat16, enabled=arguments.way == "bfloat16"):
            found = losses(inputs, targets)
            for optimizer in optimizers:
                module.zero_grad()
                loss = next(found)
                loss.backward()
                optimizer.step()
        loss.item()

    work.train(step, arguments)


if __name__ == "__main__":
    with work.one_line_errors():
        main()
