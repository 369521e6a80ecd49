"""Converts the values of a checkpoint for the program that wrote another (--like)."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from compare.checkpoint import pairing
from compare.checkpoint.hdf5 import Weights
from compare.checkpoint.saved import (
    ACCUMULATOR,
    AVERAGE,
    KERAS_KINDS,
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
    whole,
)
from compare.parity import layouts
from compare.parity.names import SLOTS
from shared.console import StopRun, UserError

_MOST_STEPS = 100_000  # 0.999 to this power is too small for a float32
_MOST_NAMES = 8  # in a message
_TINY = 1e-37
KNOWN_SLOTS = {*SLOTS.values(), *KERAS_KINDS}
FALLING = (
    "the old program's rate changes: from its next change on the two programs compute different "
    "numbers, since Keras's velocity contains the rates of the past"
)
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

    def own(self, weights=()) -> np.ndarray | None:
        """Returns the source's only rate; None if there are several, or if none is known.

        Parameters
        ----------
        weights : if the rate is that of the optimizer of these.
        """
        rates = [self._graph[name] for name in weights if name in self._graph]
        known = {float(rate): rate for rate in rates or self._graph.values()}
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
    """Returns the forget bias of an LSTM cell of TensorFlow 1: the option's, the graph's, or 1.

    Raises
    ------
    UserError : the graph has several, and does not show which is this cell's.
    """
    if option is not None:
        return option
    for side in (source, target):
        found = side.graph.forget_biases(cell) if side and side.graph else ()
        if len(found) > 1:
            every = " and ".join(f"{value:g}" for value in sorted(found))
            raise UserError(
                f"{cell}: the graph beside {side.path} has the forget biases {every}, and does not "
                "show which is this cell's; give it with --forget_bias"
            )
        if found:
            return found.pop()
    return 0.0 if "cudnn_compatible" in cell else layouts.FORGET_BIAS


class ForProgram:
    """Converts a checkpoint for the program that wrote another one, `target`."""

    def __init__(self, source: Saved, target: Saved, renaming: Callable, settings):
        self.source, self.target, self.settings = source, target, settings
        self.renaming = renaming
        self.rates = Rates(source, target, settings.learning_rate)
        self.result = Converted()
        if settings.averages:
            self._take_averages()
        self._take_rules_for_slots()
        self.pairs = pairing.pair(source, target, renaming)
        self.left_out = {name: True for name in self.pairs.left_out}
        if settings.averages:
            self.left_out.update((tensor.name, True) for tensor in source.of_kind(AVERAGE))

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

    def _take_averages(self) -> None:
        """Puts the moving averages in the place of their weights, and these in theirs.

        Raises
        ------
        UserError : there are none.
        """
        averages = self.source.of_kind(AVERAGE)
        if not averages:
            raise UserError(
                f"--averages: {self.source.path} has no moving averages of weights, such as "
                "w/ExponentialMovingAverage; leave it out"
            )
        for average in averages:
            weight = self.source.tensors[average.owner]
            weight.key, average.key = average.key, weight.key
            weight.parts, average.parts = average.parts, weight.parts
        self.result.note(f"{len(averages)} weights have the values of their moving averages")

    def _take_rules_for_slots(self) -> None:
        """Treats a slot as what a rule says, where nothing else tells.

        A moving average may become the weight. The slot of an optimizer that the new program has
        written itself may look like a weight, or like a slot of an unknown kind.
        """
        tells_slots = any(tensor.owner for tensor in self.target.tensors.values())
        for tensor in self.source.tensors.values():
            new = self.renaming(tensor.name) if tensor.owner else None
            if new in (None, "-"):
                continue
            other = self.target.tensors[pairing.find_target(self.target, tensor.name, new)]
            if other.kind == WEIGHT and (tensor.kind == AVERAGE or not tells_slots):
                tensor.kind, tensor.owner = WEIGHT, None
            elif other.owner and other.kind not in KNOWN_SLOTS:
                other.kind = tensor.kind

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
                    if any(s.graph and s.graph.rate_changes() for s in (self.source, self.target)):
                        self.result.note(FALLING)
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
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            self.result.note(f"{' and '.join(sources) or name}: some values are infinite or NaN")
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
        is_own = counter.name in self.target.trained
        step, powers = self._step_of_adam(counter) if is_own or not named else (None, [])
        if step is not None:
            others = {tensor.name: int(self.source.value(tensor.name)) for tensor in named}
            if others != dict.fromkeys(others, step) or not others:
                but = "".join(f"; {name} is {other}" for name, other in others.items())
                self.result.note(f"{counter.name}: {step}, as {' and '.join(powers)} have it{but}")
            return np.int64(step), [*powers, *others]
        if len(named) == 1:
            return self.source.value(named[0].name), [named[0].name]
        found = ", ".join(tensor.name for tensor in named) or "no counter of steps"
        raise UserError(
            f"{counter.name} needs a step, and {self.source.path} has {found}; "
            "give it with --step, or name one in --map"
        )

    def _step_of_adam(self, counter: Tensor) -> tuple[int | None, list[str]]:
        """Returns the steps of the Adam that the counter belongs to, and the powers that show it.

        They are what Adam computes with. The program's own counter may count other things too:
        batches, or the steps of two optimizers.
        """
        graph, powers = self.source.graph, {}
        for owner in self._partners(self.target.trained.get(counter.name, ())):
            for part in graph.order if graph else ():
                if part in graph.powers and whole(part) == owner:
                    powers[graph.powers[part][:2]] = graph.betas(part)
        if powers:
            betas = [found for found in powers.values() if found]
        else:
            every = [tensor.name for tensor in self.source.of_kind(POWER)]
            powers, betas = {tuple(sorted(every)): None}, [(0.9, 0.999)]
        if len(powers) != 1 or len(betas) != 1:
            return None, []
        names = [name for name in next(iter(powers)) if name in self.source.tensors]
        if len(names) != 2:
            return None, []
        return step_of_powers(*map(self.source.value, names), betas[0]), names

    def _partners(self, names) -> list[str]:
        """Returns the source's weights that become these of the target."""
        return [
            name
            for ours, theirs in self.pairs.found
            if set(theirs.members) & set(names)
            for name in ours.members
        ]

    def _convert_rate(self) -> None:
        targets, sources = self.target.of_kind(RATE), self.source.of_kind(RATE)
        for tensor in targets:
            own = self.rates.own(self._partners(self.target.trained.get(tensor.name, ())))
            if self._is_another_optimizer() and not self.settings.learning_rate:
                own = None
            theirs, place = self.target.value(tensor.name), tensor.name
            if own is None or len(targets) > 1 and (sources or self.settings.learning_rate):
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

    def _is_another_optimizer(self) -> bool:
        """Says whether the two optimizers have other slots, so that a rate means something else."""
        ours, theirs = (
            {t.kind for t in side.tensors.values() if t.owner} - {AVERAGE, MOMENTUM}
            for side in (self.source, self.target)
        )
        ours, theirs = ({k for o in kinds for k in _counterparts(o)} for kinds in (ours, theirs))
        return ours != theirs

    def _convert_powers(self) -> None:
        """Computes TensorFlow 1's powers of beta, or leaves them out for Keras."""
        targets = self.target.of_kind(POWER)
        for tensor in targets:
            if tensor.name in self.source.tensors:
                self._set(tensor.name, self.source.value(tensor.name), [tensor.name])
                continue
            step, used = self._step_of_keras(tensor)
            if step is None:
                raise UserError(f"{tensor.name} needs a step; give it with --step")
            self._set(tensor.name, power(self._beta(tensor), step + 1), used)
        if not targets:
            self.left_out.update((t.name, True) for t in self.source.of_kind(POWER))

    def _step_of_keras(self, tensor: Tensor) -> tuple[int | None, list[str]]:
        """Returns the steps of the optimizer that a power belongs to, and the counters used."""
        counters, graph = self.source.of_kind(STEP), self.target.graph
        powers = graph.powers if graph else {}
        owners = {whole(name) for name, found in powers.items() if tensor.name in found}
        for counter, trained in self.source.trained.items():
            partners = {
                name
                for ours, theirs in self.pairs.found
                if set(ours.members) & set(trained)
                for name in theirs.members
            }
            if partners & owners:
                return int(self.source.value(counter)), [counter]
        done = [t.name for t in self.target.of_kind(STEP) if t.name in self.result.values]
        steps = [int(self.result.values[name]) for name in done] or [self.settings.step]
        if steps == [None] and len(counters) == 1:
            steps = [int(self.source.value(counters[0].name))]
        return steps[0], [counter.name for counter in counters]

    def _beta(self, tensor: Tensor) -> float:
        """Returns the constant whose power the target holds."""
        steps = [int(self.target.value(t.name)) for t in self.target.of_kind(STEP)]
        start = steps[0] if steps else self._start() or 0
        beta = round(float(self.target.value(tensor.name)) ** (1 / (1 + start)), 6)
        if not 0 < beta < 1:
            raise UserError(
                f"{tensor.name} is {self.target.value(tensor.name)} in {self.target.path}, which "
                "does not show its beta; expected a checkpoint that the program saved at its start"
            )
        return beta

    def _start(self) -> int | None:
        """Returns the step that the target's powers of beta show."""
        powers = sorted(tensor.name for tensor in self.target.of_kind(POWER))
        return step_of_powers(*map(self.target.value, powers)) if len(powers) == 2 else None

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
                reason = self.pairs.doubts.get(unit.members[0])
                parts[-1] += f" ({reason})" if reason else ""
                told.update(unit.members)
        rest = _without_slots(self.source, unused, told)
        is_built = any(self.target.trained.values()) or any(
            tensor.owner for tensor in self.target.tensors.values()
        )
        if any(self.source.tensors[name].owner for name in unused) and not is_built:
            parts.append(
                f"{self.target.path} has no slots of an optimizer: save it after "
                "optimizer.build(model.trainable_variables), or after a step"
            )
        if rest:
            parts.append(f"no counterpart for {self._listed(self.source, rest)}")
        if missing and not told:
            missing = _without_slots(self.target, missing, ())
            parts.append(f"{self.target.path} also expects {self._listed(self.target, missing)}")
        return (
            f"{self.source.path}: {'; '.join(parts)}; say which is which in --map (- leaves one "
            "out), or --partial leaves out the rest"
        )

    def _listed(self, side: Saved, every: list[str]) -> str:
        shown = [f"{name} ({self._kind(side, name)})" for name in every[:_MOST_NAMES]]
        if len(every) > _MOST_NAMES:
            shown[-1:] = [f"and {len(every) - _MOST_NAMES + 1} more, see `checkpoint show`"]
        return ", ".join(shown)

    @staticmethod
    def _kind(side: Saved, name: str) -> str:
        tensor = side.tensors[name]
        return (
            f"{tensor.kind} of {tensor.owner}" if tensor.owner else f"{tensor.kind} {tensor.form}"
        )


def _without_slots(side: Saved, names: list[str], told) -> list[str]:
    """Returns the names without slots of what is named too, and without those already told."""
    every = {*names, *told}
    return [n for n in names if n not in told and side.tensors[n].owner not in every]


def power(beta: float, exponent: int) -> np.ndarray:
    """Returns a power as TensorFlow 1 computes it, by float32 multiplications."""
    return np.multiply.accumulate(np.full(max(exponent, 1), beta, np.float32))[-1]


def step_of_powers(
    beta1_power: np.ndarray, beta2_power: np.ndarray, betas: tuple[float, float] = (0.9, 0.999)
) -> int | None:
    """Returns the number of steps that Adam's powers of beta show; None if they show none.

    After n steps they are beta^(n + 1). They must agree about n.
    """
    first, second = (
        np.multiply.accumulate(np.full(_MOST_STEPS, beta, np.float32)) for beta in betas
    )
    is_tiny = (first < _TINY) & (beta1_power < _TINY)  # 0 in TensorFlow
    same = (second == beta2_power) & ((first == beta1_power) | is_tiny)
    steps = np.flatnonzero(same & (second > _TINY))
    return int(steps[0]) if len(steps) == 1 else None
