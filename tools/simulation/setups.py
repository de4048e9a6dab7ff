"""A setup, written as [random_]TOPOLOGY[+VARIANT]: who exchanges what with whom."""

import dataclasses
import functools

from tfdgan.errors import UserError
from tfdgan.gossip import topology
from tools.simulation import exchanges, mixing

_BLOCK = 256  # numbers that share a scale under 8bit
_KEPT_BITS = 32  # of an entry under top: its place, 16 bits, and itself, bfloat16
CENTRALIZED = "centralized"

# Variants: what they take after "=", and which setups they fit.
_VARIANTS = {
    "rounds": int,
    "chebyshev": int,
    "every": int,
    "top": float,  # a share
    "delayed": None,
    "after": None,
    "8bit": None,
    "bfloat16": None,
    "tree": None,
    "float16": None,
}
_OF_CENTRALIZED = ("tree", "float16")
_NEEDS_FIXED = ("8bit", "top")
GRAMMAR = (
    "[random_]TOPOLOGY[+VARIANT] or centralized[+tree or +float16]; TOPOLOGY as train has it, VARIANT one of rounds=T, "
    "chebyshev=T, every=K, delayed, after, bfloat16, 8bit, top=FRACTION"
)


@dataclasses.dataclass(frozen=True)
class Setup:
    """A parsed setup.

    Attributes:
      name: as written.
      topology: a name in `topology.NAMES`, or `CENTRALIZED`.
      random: whether learners are relabelled at every step.
      variant, value: what follows the "+", or None.
    """

    name: str
    topology: str
    random: bool = False
    variant: str | None = None
    value: float | None = None

    @property
    def centralized(self):
        return self.topology == CENTRALIZED

    @property
    def rounds(self):
        """Gossip rounds at a step that exchanges."""
        return self.value if self.variant in ("rounds", "chebyshev") else 1

    @property
    def every(self):
        """Steps from one exchange to the next."""
        return self.value if self.variant == "every" else 1

    @property
    def bits(self):
        """Bits on the wire for a number of the weights."""
        if self.variant == "top":
            return self.value * _KEPT_BITS
        return {"bfloat16": 16.0, "float16": 16.0, "8bit": 8 + 32 / _BLOCK}.get(self.variant, 32.0)

    def schedule(self, size, seed=0):
        """Its `Schedule`; raises `UserError` where the topology or the variant does not exist for it."""
        schedule = _schedule(self.topology, size, self.random, seed)
        if self.variant in _NEEDS_FIXED and not (schedule.is_fixed and schedule.is_symmetric):
            raise UserError(f"--setups: {self.name}: {self.variant} needs one fixed symmetric topology, as ring")
        return schedule

    def exchange(self, size, seed=0):
        """Its rule of `exchanges`."""
        if self.centralized:
            return exchanges.apart()
        schedule = self.schedule(size, seed)
        mix = mixing.Mixer(schedule, self.rounds, chebyshev=self.variant == "chebyshev")
        if self.variant == "every":
            return exchanges.local_steps(mix, self.every)
        if self.variant == "delayed":
            return exchanges.delayed(mix)
        if self.variant == "after":
            return exchanges.after(mix)
        if self.variant == "bfloat16":
            return exchanges.wire16(mix)
        if self.variant == "8bit":
            return exchanges.choco(mix, exchanges.eight_bits(_BLOCK), gamma=1.0)
        if self.variant == "top":
            # Less than everything arrives, so less may be believed at once; in simulation twice this diverges.
            return exchanges.choco(mix, exchanges.top_fraction(self.value), gamma=min(1.0, 2 * self.value))
        return exchanges.plain(mix)


@functools.lru_cache(maxsize=4)
def _schedule(name, size, random, seed):
    return mixing.make_schedule(name, size, random=random, seed=seed)


def is_one(text):
    """Whether `parse` takes it."""
    try:
        return isinstance(text, str) and bool(parse(text))
    except UserError:
        return False


def parse(text):
    """The `Setup` of a text; raises `UserError` that says what is wrong with it."""
    base, plus, variant = text.partition("+")
    random = base.startswith("random_")
    name = base.removeprefix("random_")
    if name != CENTRALIZED and name not in topology.NAMES:
        known = ", ".join((CENTRALIZED, *topology.NAMES))
        raise UserError(f"--setups: {text}: no topology {name!r}; choose one of {known}")
    if random and name == CENTRALIZED:
        raise UserError(f"--setups: {text}: {CENTRALIZED} has no learners to relabel")
    if not plus:
        return Setup(text, name, random)
    variant, equals, value = variant.partition("=")
    if variant not in _VARIANTS or (variant in _OF_CENTRALIZED) != (name == CENTRALIZED):
        fitting = [v for v in _VARIANTS if (v in _OF_CENTRALIZED) == (name == CENTRALIZED)]
        raise UserError(f"--setups: {text}: no variant {variant!r} of {name}; choose one of {', '.join(fitting)}")
    return Setup(text, name, random, variant, _value(text, variant, equals, value))


def _value(text, variant, equals, value):
    kind = _VARIANTS[variant]
    if kind is None:
        if equals:
            raise UserError(f"--setups: {text}: {variant} takes no value")
        return None
    try:
        number = kind(value)
    except ValueError as error:
        raise UserError(
            f"--setups: {text}: {variant} needs a number, as {variant}={0.1 if kind is float else 4}"
        ) from error
    if not number > 0 or (kind is float and number > 1):
        raise UserError(
            f"--setups: {text}: {variant} is {value}; give a number above 0{', at most 1' * (kind is float)}"
        )
    return number
