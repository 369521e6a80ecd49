"""Converts the values of a checkpoint for the program that wrote another (--like)."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from compare.checkpoint import pairing
from compare.checkpoint.hdf5 import Weights
from compare.checkpoint.saved import (
    ACCUMULATOR,
    AVERAGE,
    MEAN_SQUARE,
    MOMENTUM,
    POWER,
    RATE,
    SEED,
    STEP,
    VELOCITY,
    WEIGHT,
    Saved,
    Tensor,
)
from compare.parity import layouts
from shared.console import StopRun, UserError

_MOST_STEPS = 100_000  # 0.999 to this power is too small for a float32
_TINY = 1e-37
RATE_ADVICE = "name the rate of the next step with --learning_rate"


@dataclass
class Converted:
    """What is to be written.

    Attributes
    ----------
    values : {name, or path without --like: value}.
    used : the source's names whose values went into it.
    notes : lines for the user.
    """

    values: dict[str, np.ndarray] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def note(self, line: str) -> None:
        if line not in self.notes:
            self.notes.append(line)


class Rates:
    """The learning rates of the source's weights, from the option, the checkpoint or its graph."""

    def __init__(self, source: Saved, target: Saved | None, option: float | None):
        self._option = None if option is None else np.float32(option)
        self._graph = source.rates()
        saved = [source.value(tensor.name) for tensor in source.of_kind(RATE)]
        self._saved = saved[0] if len(saved) == 1 else None
        theirs = [target.value(tensor.name) for tensor in target.of_kind(RATE)] if target else []
        self._target = theirs[0] if len(theirs) == 1 else None

    def of(self, weight: str) -> np.ndarray | None:
        """Returns the rate of a weight's next update; None if it is not known."""
        for known in (self._option, self._saved, self._graph.get(weight), self._target):
            if known is not None:
                return known
        return None

    def needed(self, slot: Tensor) -> np.ndarray:
        """Returns the rate that a velocity is converted with.

        Raises
        ------
        UserError : it is not known, or 0.
        """
        rate = self.of(slot.owner)
        if not rate:
            raise UserError(
                f"{slot.name}: a velocity of Keras's SGD is -learning_rate times the accumulator "
                f"of tf.train.MomentumOptimizer, and the rate is not known; {RATE_ADVICE}"
            )
        return rate

    @property
    def own(self) -> np.ndarray | None:
        """The source's only rate; None if there are several, or if none is known."""
        known = {float(rate): rate for rate in self._graph.values()}
        for rate in (self._option, self._saved):
            if rate is not None:
                return rate
        return known.popitem()[1] if len(known) == 1 else None


def scaled(value: np.ndarray, kind: str, new_kind: str, rate: float | None) -> np.ndarray:
    """Returns a slot's value as a slot of another kind; `rate` is the learning rate."""
    if (kind, new_kind) == (ACCUMULATOR, VELOCITY):
        return -value.dtype.type(rate) * value
    if (kind, new_kind) == (VELOCITY, ACCUMULATOR):
        return value / -value.dtype.type(rate)
    return value


def rate_note(kind: str, rate: float) -> str:
    """Says how `scaled` converts a slot."""
    how = "multiplied" if kind == ACCUMULATOR else "divided"
    return f"{kind}: {how} by -{shown(rate)}, the learning rate"


def shown(number: np.ndarray) -> str:
    """Returns the shortest text of a float32: 0.1, not 0.10000000149011612."""
    return str(np.float32(number))


def _counterparts(kind: str) -> tuple[str, ...]:
    return {ACCUMULATOR: (ACCUMULATOR, VELOCITY), VELOCITY: (VELOCITY, ACCUMULATOR)}.get(
        kind, (kind,)
    )


def forget_bias(source: Saved, target: Saved | None, cell: str, option: float | None) -> float:
    """Returns the forget bias of an LSTM cell of TensorFlow 1: the option's, the graph's, or 1."""
    if option is not None:
        return option
    for side in (source, target):
        found = side.graph.forget_bias(cell) if side and side.graph else None
        if found is not None:
            return found
    return 0.0 if "cudnn_compatible" in cell else layouts.FORGET_BIAS


class ForProgram:
    """Converts a checkpoint for the program that wrote another one, `target`."""

    def __init__(self, source: Saved, target: Saved, renaming: Callable, settings):
        self.source, self.target, self.settings = source, target, settings
        self.renaming = renaming
        self.rates = Rates(source, target, settings.learning_rate)
        self.result = Converted()
        self._take_slots_as_weights()
        self.pairs = pairing.pair(source, target, renaming)
        self.left_out = {name: True for name in self.pairs.left_out}

    def run(self) -> Converted:
        """Returns the values, by the target's names.

        Raises
        ------
        StopRun : exit 1: tensors of one side have no counterpart, and --partial is not given.
        UserError : what is to become of a tensor cannot be right, or is not known.
        """
        for ours, theirs in self.pairs.found:
            self._convert_unit(ours, theirs)
        self._convert_steps()
        self._convert_rate()
        self._convert_powers()
        self._keep_seeds()
        self._check_rules()
        self._check_complete()
        return self.result

    def _take_slots_as_weights(self) -> None:
        """Treats a slot as a weight if a rule puts it in the place of one.

        That may be a moving average that is to be the weight, or a slot for an optimizer that the
        new program has written itself, whose variables nothing tells from weights.
        """
        tells_slots = any(tensor.owner for tensor in self.target.tensors.values())
        for tensor in self.source.tensors.values():
            new = self.renaming(tensor.name) if tensor.owner else None
            if new not in (None, "-") and (tensor.kind == AVERAGE or not tells_slots):
                other = pairing.find_target(self.target, tensor.name, new)
                if self.target.tensors[other].kind == WEIGHT:
                    tensor.kind, tensor.owner = WEIGHT, None

    # ---- weights and slots

    def _convert_unit(self, ours, theirs) -> None:
        slots = [self.target.slots(name) for name in theirs.members]
        for kind in (WEIGHT, *slots[0]):
            targets = [
                name if kind == WEIGHT else s.get(kind) for name, s in zip(theirs.members, slots)
            ]
            sources, old_kind = self._sources(ours, kind)
            if None in targets:
                continue
            if sources is None and kind == MOMENTUM and self._is_rmsprop(ours):
                # With the momentum 0, Keras has no such slot, and TensorFlow 1 does not use it.
                for name in targets:
                    self._set(name, np.zeros(self.target.tensors[name].shape, np.float32), ())
            elif sources is not None:
                values = [self.source.value(name) for name in sources]
                if old_kind != kind:
                    rate = self.rates.needed(self.source.tensors[sources[0]])
                    values = [scaled(value, old_kind, kind, rate) for value in values]
                    self.result.note(rate_note(old_kind, rate))
                for name, value in zip(targets, self._laid_out(ours, theirs, kind, values)):
                    self._set(name, value, sources)

    def _sources(self, unit, kind: str) -> tuple[list[str] | None, str]:
        """Returns the source's tensors that a kind of slot is made of, and their kind."""
        if kind == WEIGHT:
            return list(unit.members), WEIGHT
        for old_kind in _counterparts(kind):
            names = [self.source.slots(name).get(old_kind) for name in unit.members]
            if None not in names:
                return names, old_kind
        return None, kind

    def _is_rmsprop(self, unit) -> bool:
        return any(kind.startswith("RMSProp") for kind in self.source.slots(unit.members[0]))

    def _laid_out(self, ours, theirs, kind: str, values: list) -> list[np.ndarray]:
        """Returns the values in the target's layout."""
        if ours.is_fused == theirs.is_fused:
            return values
        cell = (ours if ours.is_fused else theirs).members[0].rpartition("/")[0]
        if ours.kind == "GRU":
            return self._gru(ours, theirs, cell.rpartition("/")[0], values)
        if ours.kind == "RNN":
            return (layouts.split_rnn if ours.is_fused else layouts.fuse_rnn)(*values)
        bias = 0.0
        if kind in (WEIGHT, AVERAGE):
            bias = forget_bias(self.source, self.target, cell, self.settings.forget_bias)
            self.result.note(
                f"{cell}: an LSTM; gates i, j, f, o and i, f, c, o; forget bias {bias:g}"
            )
        return (layouts.split_lstm if ours.is_fused else layouts.fuse_lstm)(*values, bias)

    def _gru(self, ours, theirs, cell: str, values: list) -> list[np.ndarray]:
        keras, side = (theirs, self.target) if ours.is_fused else (ours, self.source)
        bias = side.tensors[keras.members[-1]]
        if len(bias.shape) == 2:
            raise UserError(
                f"{bias.name} is {bias.shape}: a GRU with reset_after=True, Keras's "
                f"default, computes another function than the GRUCell {cell}; build the layer "
                "with reset_after=False"
            )
        return (layouts.split_gru if ours.is_fused else layouts.fuse_gru)(*values)

    def _set(self, name: str, value, sources) -> None:
        """Gives a tensor of the target its value, if shape and dtype fit."""
        tensor, value = self.target.tensors[name], np.asarray(value)
        is_counter = tensor.kind == STEP
        if list(value.shape) != list(tensor.shape) or (
            value.dtype.name != tensor.dtype and not is_counter
        ):
            raise UserError(
                f"{' and '.join(sources) or 'the value'} gives {value.dtype.name} "
                f"{list(value.shape)}, but {name} is {tensor.form} in "
                f"{self.target.path}; name another in --map, or mend the program"
            )
        self.result.values[name] = value.astype(tensor.dtype) if is_counter else value
        self.result.used.update(sources)

    # ---- what belongs to no weight

    def _convert_steps(self) -> None:
        counters = self.target.of_kind(STEP)
        steps = self.source.of_kind(STEP)
        ruled = [t for t in steps if self.renaming(t.name) not in (None, "-")]
        for tensor in ruled:
            name = pairing.find_target(self.target, tensor.name, self.renaming(tensor.name))
            if self.target.tensors[name].kind != STEP:
                raise UserError(f"{tensor.name} is a step, but {name} is not; mend --map")
            self._set(name, self.source.value(tensor.name), [tensor.name])
        rest = [tensor for tensor in counters if tensor.name not in self.result.values]
        steps = [tensor for tensor in steps if tensor not in ruled]
        if isinstance(self.source, Weights) and self.settings.partial:
            return  # they have no step, as they have no slots
        for counter in rest:
            value, used = self._step(steps, counter)
            self._set(counter.name, value, used)

    def _step(self, steps: list[Tensor], counter: Tensor):
        """Returns the number of steps for a counter, and the tensors it comes from."""
        named = [tensor for tensor in steps if tensor.name == counter.name] or steps
        if self.settings.step is not None:
            return np.int64(self.settings.step), [tensor.name for tensor in steps]
        if len(named) == 1:
            return self.source.value(named[0].name), [named[0].name]
        if not named:
            step = step_of_powers(self.source)
            if step is not None:
                powers = [tensor.name for tensor in self.source.of_kind(POWER)]
                self.result.note(f"{counter.name}: {step}, as {' and '.join(powers)} have it")
                return np.int64(step), powers
        found = ", ".join(tensor.name for tensor in named) or "no counter of steps"
        raise UserError(
            f"{counter.name} needs a step, and {self.source.path} has {found}; "
            "give it with --step, or name one in --map"
        )

    def _convert_rate(self) -> None:
        targets, sources = self.target.of_kind(RATE), self.source.of_kind(RATE)
        own = self.rates.own
        for tensor in targets:
            theirs, place = self.target.value(tensor.name), tensor.name
            if own is None or len(targets) > 1:
                self._set(tensor.name, theirs, ())
                self.result.note(f"{place}: {shown(theirs)}, kept as in {self.target.path}")
                continue
            self._set(tensor.name, np.asarray(own, tensor.dtype), [t.name for t in sources])
            if own != theirs:
                self.result.note(
                    f"{place}: {shown(own)}, the rate of the old program's next step "
                    f"({self.target.path} has {shown(theirs)})"
                )
        self.left_out.update((t.name, True) for t in sources if not targets)

    def _convert_powers(self) -> None:
        """Computes TensorFlow 1's powers of beta, or leaves them out for Keras."""
        targets = self.target.of_kind(POWER)
        steps = [
            self.result.values[t.name]
            for t in self.target.of_kind(STEP)
            if t.name in self.result.values
        ]
        for tensor in targets:
            if tensor.name in self.source.tensors:
                self._set(tensor.name, self.source.value(tensor.name), [tensor.name])
                continue
            step = int(steps[0]) if steps else self.settings.step
            if step is None:
                source = [int(self.source.value(t.name)) for t in self.source.of_kind(STEP)]
                step = source[0] if len(source) == 1 else None
            if step is None:
                raise UserError(f"{tensor.name} needs a step; give it with --step")
            used = [t.name for t in self.source.of_kind(STEP)]
            self._set(tensor.name, power(self._beta(tensor), step + 1), used)
        if not targets:
            self.left_out.update((t.name, True) for t in self.source.of_kind(POWER))

    def _beta(self, tensor: Tensor) -> float:
        """Returns the constant whose power the target holds."""
        steps = [int(self.target.value(t.name)) for t in self.target.of_kind(STEP)]
        start = steps[0] if steps else step_of_powers(self.target) or 0
        beta = round(float(self.target.value(tensor.name)) ** (1 / (1 + start)), 6)
        if not 0 < beta < 1:
            raise UserError(
                f"{tensor.name} is {self.target.value(tensor.name)} in {self.target.path}, which "
                "does not show its beta; expected a checkpoint that the program saved at its start"
            )
        return beta

    def _keep_seeds(self) -> None:
        for tensor in self.target.of_kind(SEED):
            self._set(tensor.name, self.target.value(tensor.name), ())
            self.result.note(f"{tensor.name}: kept as in {self.target.path}")
        self.left_out.update((t.name, True) for t in self.source.of_kind(SEED))

    # ---- what is refused

    def _check_rules(self) -> None:
        """Checks the rules for slots: they must say what the pairs of weights imply."""
        partner = {
            n: t
            for ours, theirs in self.pairs.found
            for n in ours.members
            for t in theirs.members[:1]
        }
        members = {theirs.members[0]: theirs.members for _, theirs in self.pairs.found}
        for tensor in self.source.tensors.values():
            new = self.renaming(tensor.name)
            if new == "-":
                self.left_out[tensor.name] = True
            if tensor.kind == WEIGHT or new in (None, "-"):
                continue
            other = self.target.tensors[pairing.find_target(self.target, tensor.name, new)]
            fits = other.kind in _counterparts(tensor.kind)
            if tensor.owner:
                fits = fits and other.owner in members.get(partner.get(tensor.owner), ())
            if not fits:
                old, what = (
                    f"{t.kind} of {t.owner}" if t.owner else t.kind for t in (tensor, other)
                )
                raise UserError(
                    f"{tensor.name} is {old}, but {new} is {what} in {self.target.path}; mend "
                    "--map, or leave the line out: slots follow their weights"
                )

    def _check_complete(self) -> None:
        """Refuses what has no counterpart, but for --partial."""
        done, kinds = self.result.values, {t.kind for t in self.target.tensors.values()}
        missing = [name for name in self.target.tensors if name not in done]
        for tensor in self.source.tensors.values():
            # With the momentum 0, Keras has no such slot, and TensorFlow 1 does not use it.
            if tensor.kind == MOMENTUM and MEAN_SQUARE in kinds and MOMENTUM not in kinds:
                self.left_out[tensor.name] = True
        told = {*self.result.used, *self.left_out}
        tensors = self.source.tensors.values()
        unused = [t.name for t in tensors if t.name not in told and t.owner not in self.left_out]
        if (missing or unused) and not self.settings.partial:
            raise StopRun(self._incomplete(missing, unused), exit_code=1)
        for name in missing:
            done[name] = self.target.value(name)
        if missing:
            self.result.note(f"kept as in {self.target.path}: {', '.join(missing)}")

    def _incomplete(self, missing: list[str], unused: list[str]) -> str:
        parts, told = [], set()
        for unit in self.pairs.alone[0]:
            found = pairing.candidates(unit, self.pairs, self.source, self.target)
            if found:
                parts.append(f"{unit.members[0]} may be {' or '.join(found)}")
                told.update(unit.members)
        owner = {name: self.source.tensors[name].owner for name in unused}
        rest = [name for name in unused if name not in told and owner[name] not in told]
        if any(owner.values()) and not any(t.owner for t in self.target.tensors.values()):
            parts.append(
                f"{self.target.path} has no slots of an optimizer: save it after "
                "optimizer.build(model.trainable_variables), or after a step"
            )
        if rest:
            parts.append(f"no counterpart for {', '.join(map(self._about, rest))}")
        if missing and not told:
            shown = [f"{n} ({self._kind(self.target, n)})" for n in missing]
            parts.append(f"{self.target.path} also expects {', '.join(shown)}")
        return (
            f"{self.source.path}: {'; '.join(parts)}; say which is which in --map (- leaves one "
            "out), or --partial leaves out the rest"
        )

    def _about(self, name: str) -> str:
        return f"{name} ({self._kind(self.source, name)})"

    @staticmethod
    def _kind(side: Saved, name: str) -> str:
        tensor = side.tensors[name]
        return (
            f"{tensor.kind} of {tensor.owner}" if tensor.owner else f"{tensor.kind} {tensor.form}"
        )


def power(beta: float, exponent: int) -> np.ndarray:
    """Returns a power as TensorFlow 1 computes it, by float32 multiplications."""
    return np.multiply.accumulate(np.full(max(exponent, 1), beta, np.float32))[-1]


def step_of_powers(source: Saved, betas: tuple[float, float] = (0.9, 0.999)) -> int | None:
    """Returns the number of steps that Adam's powers of beta show; None if they show none.

    After n steps they are beta^(n + 1). They must agree about n, with the default betas.
    """
    powers = {t.name.rpartition("/")[2]: source.value(t.name) for t in source.of_kind(POWER)}
    if set(powers) != {"beta1_power", "beta2_power"}:
        return None
    first, second = (
        np.multiply.accumulate(np.full(_MOST_STEPS, beta, np.float32)) for beta in betas
    )
    is_tiny = (first < _TINY) & (powers["beta1_power"] < _TINY)  # 0 in TensorFlow
    same = (second == powers["beta2_power"]) & ((first == powers["beta1_power"]) | is_tiny)
    steps = np.flatnonzero(same & (second > _TINY))
    return int(steps[0]) if len(steps) == 1 else None
