"""What a step costs, in time and memory.

    python tools/bench_step.py --part=overhead --problem=gaussians,digits,dcgan32
    python tools/bench_step.py --part=overhead --problem=gaussians --against=CHECKOUT
    python tools/bench_step.py --part=options --problem=dcgan32,resnet32,ct_resnet32,sagan64
    python tools/bench_step.py --part=options --problem=dcgan64_cifar,plain_dcgan64_cifar
    python tools/bench_step.py --task=text --problem=text_oracle20
    python tools/bench_step.py --task=text --problem=text_oracle20 --against=CHECKOUT --blocks=3

overhead: the trainer's steps against a bare hand-written TensorFlow loop of the same mathematics. Both train equal
models on equal batches and noise by WGAN-GP with optimistic Adam and a running average. The trainer adds guards against
NaN, metrics and the strategy (local), and stays in TensorFlow for a block; the bare loop returns to Python each step.
"differ" is the largest difference of the generators' weights after warm-up.

overhead --against: the trainer's steps of this tree against those of another checkout of the project, which may be an
earlier revision: two processes, with the same cores to each, that take turns.

options: a model's step under one option after another, against the same step without it.

--task=text: sentences a second of pretraining, sampling and a step of the game, with and without --jit; with --against
the game's steps of both trees. A problem is a configuration.

Blocks of steps alternate, in one process but for --against; a ratio is that of two neighbouring blocks, the median over
pairs. Peaks of memory are of a process of its own.
"""

import dataclasses
import itertools
import statistics
import sys
from collections.abc import Sequence
from typing import Any

import sentence_speeds
import two_trees
from absl import flags
from measuring import alone, peak
from step_worker import Steps

from tfdgan.cli import command, flagfiles
from tfdgan.cli.config import Config
from tfdgan.errors import UserError
from tfdgan.tasks import names

_STEPS = {"gaussians": 200, "digits": 40, "dcgan32": 3}  # a block
_WARM_UP = 5  # steps
_IMAGES = dict(dataset="given", strategy="local", batch_size=4)
_HINGE = dict(objective="hinge", gradient_penalty=0.0)
_SPECTRAL = dict(spectral_normalization="critic")
_CT_RESNET = dict(model="ct_resnet", width_g=256, width_d=332, latent_size=128, batch_size=2, critic_steps=1)
_BASE = dict(trainer="clipped_ratio", update="alternating", ratio_clipping=False, sample_reweighting=False)
_SMALL = {**_IMAGES, "width_g": 16, "width_d": 16, "batch_size": 16, "critic_steps": 2}
_CIFAR = {**_IMAGES, "width_g": 64, "width_d": 64, "batch_size": 64, "critic_steps": 5}  # as cifar.flags
_POINTS = dict(dataset="gaussians", model="mlp", strategy="local", latent_size=2, width_g=128, width_d=128)
# Of which only the split batch is timed.
_HALVED = ("dcgan16_wide", "dcgan64_wide", "dcgan64_cifar", "plain_dcgan16", "plain_dcgan64", "plain_dcgan64_cifar")
_PROBLEMS = {  # the papers' nets, on little batches; the number is the side of an image, or of _HALVED the nets' width
    "gaussians": _POINTS,
    "dcgan32": _IMAGES,
    "dcgan16_wide": _SMALL,
    "plain_dcgan16": {**_SMALL, "model": "experiments.plain_dcgan:build"},  # without batch norm
    "dcgan64_wide": {**_SMALL, "width_g": 64, "width_d": 64},
    "dcgan64_cifar": _CIFAR,
    "plain_dcgan64_cifar": {**_CIFAR, "model": "experiments.plain_dcgan:build"},
    "plain_dcgan64": {**_SMALL, "width_g": 64, "width_d": 64, "model": "experiments.plain_dcgan:build"},
    "resnet32": {**_IMAGES, **_HINGE, **_SPECTRAL, "model": "resnet", "width_g": 256, "width_d": 128},
    "ct_resnet32": {**_IMAGES, **_CT_RESNET},
    "sagan64": {**_IMAGES, **_HINGE, "model": "sagan", "image_size": 64, "latent_size": 128, "critic_steps": 1},
    "dcgan32_ratio": {**_IMAGES, **_BASE},  # with five critic and five generator updates a step
    "ct_resnet32_ratio": {**_IMAGES, **_CT_RESNET, **_BASE, "generator_steps": 1},
}


def _define(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_enum("task", "image", names.NAMES, "What is generated.", flag_values=flag_values)
    flags.DEFINE_enum("part", None, ["overhead", "options"], "Measured; default: overhead.", flag_values=flag_values)
    problems = f"Of {', '.join({**_STEPS, **_PROBLEMS})}; all. Of text: configurations; text_oracle20."
    flags.DEFINE_list("problem", [], problems, flag_values=flag_values)
    flags.DEFINE_integer("blocks", 5, "Blocks of each loop.", lower_bound=1, flag_values=flag_values)
    flags.DEFINE_integer("steps", None, "Steps a block; default: by problem.", lower_bound=1, flag_values=flag_values)
    text = "Names of options, as the rows have them (options); default: all."
    flags.DEFINE_list("option", [], text, flag_values=flag_values)
    text = "Folder of another checkout, whose trainer is timed beside this one's (overhead, text)."
    flags.DEFINE_string("against", None, text, flag_values=flag_values)


def settings(problem: str, **changes: Any) -> dict[str, Any]:
    """The options of a problem of `overhead`, or of a configuration, that are not the defaults, with strategy local."""
    if problem == "dcgan32":
        return dict(dataset="given", batch_size=16, strategy="local")
    options = flagfiles.read(f"configs/{problem}.flags", strategy="local", **changes)
    values = {field: getattr(options, field.name) for field in dataclasses.fields(options)}
    return {field.name: value for field, value in values.items() if value != field.default}


def overhead(problem: str, blocks: int, steps: int) -> str:
    """A row: the trainer against the bare loop."""
    import bare_loop
    import numpy as np

    from tfdgan import distributed
    from tfdgan.tasks.image import nets

    distributed.start()
    options = Config(**settings(problem))
    ours = Steps(settings(problem))
    models = nets.build(options, tuple(ours.batches.element_spec.shape[1:]), None)
    bare = bare_loop.Bare(*models, options, ours.batches)
    ours.block(_WARM_UP), bare.block(_WARM_UP)
    pairs = zip(ours.trainer.generator.get_weights(), bare.generator.get_weights(), strict=True)
    differ = max(float(np.abs(a - b).max()) for a, b in pairs)
    times = [(ours.block(steps), bare.block(steps)) for _ in range(blocks)]
    return _row(problem, times, peak(), differ)


def _row(problem: str, times: Sequence[tuple[float, float]], most: float, differ: float, width: int = 12) -> str:
    return f"{problem:<{width}}{summary(times)}{most:>10.0f}{differ:>10.1g}"


def summary(times: Sequence[tuple[float, float]]) -> str:
    """Columns of (ours, theirs) in ms: medians, the median ratio and its range."""
    ours, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    ratios = [a / b for a, b in times]
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    return f"{ours:>12.2f}{theirs:>10.2f}{statistics.median(ratios):>8.3f}{spread:>18}"


def variants(problem: str) -> dict[str, dict[str, Any]]:
    """{name: changes to the problem's options}; the first is what the others are compared with."""
    if "trainer" in _PROBLEMS[problem]:
        clipping, reweighting = dict(ratio_clipping=True), dict(sample_reweighting=True)
        both = {"both": {**clipping, **reweighting}}
        return {"plain": {}, "--ratio_clipping": clipping, "--sample_reweighting": reweighting, **both}
    found = {"plain": {}, "--jit": dict(jit=True), "--precision=bfloat16": dict(precision="bfloat16")}
    found["--ema_decay=0"] = dict(ema_decay=0.0)
    # Among one learner nothing is sent; the split batch is for strategies that average weights.
    split = dict(strategy="decentralized", second_moment="split_batch")
    halves = {"split_batch": split, "split_batch every 4th": dict(**split, noise_every=4)}
    if problem == "gaussians":
        found = {"plain": {}, "--steps_per_loop=1": dict(steps_per_loop=1), "--ema_decay=0": dict(ema_decay=0.0)}
        return {**found, "--learning_rate_decay=linear": dict(learning_rate_decay="linear"), **halves}
    if problem in _HALVED:
        return {"plain": dict(strategy="decentralized"), **halves}
    if problem in ("resnet32", "sagan64"):
        found["--conditional"] = dict(conditional=True)
        found["--gradient_penalty=10"] = dict(gradient_penalty=10.0)
    else:
        found["--gradient_penalty=0"] = dict(gradient_penalty=0.0)
        found["--penalty=r1"] = dict(penalty="r1")
    if problem == "dcgan32":
        found["--critic_steps=1"] = dict(critic_steps=1)
    if problem == "ct_resnet32":
        found["--consistency=2"] = dict(consistency=2.0)
    return found


def option_ratio(problem: str, name: str, blocks: int, steps: int) -> list[tuple[float, float]]:
    """Times of blocks with an option and without, in one process."""
    from tfdgan import distributed

    distributed.start()
    found = []
    for changes in (variants(problem)[name], {}):
        found.append(Steps({**_PROBLEMS[problem], **changes}))
        found[-1].block(1)  # compiles
    pairs = [tuple(timed.block(steps) for timed in found) for _ in range(blocks + 1)]
    return pairs[1:]  # the first after compiling is several times slower


def option_peak(problem: str, name: str) -> float:
    """The peak of memory of two steps with an option."""
    from tfdgan import distributed

    distributed.start()
    Steps({**_PROBLEMS[problem], **variants(problem)[name]}).block(2)
    return peak()


def _show_overhead(problems: Sequence[str], blocks: int, steps: int | None, against: str | None) -> None:
    """Print a row for each problem, against the bare loop or another checkout."""
    tree = two_trees.checked(against) if against else None
    columns = _columns("trainer, ms", "other, ms" if tree else "bare, ms")
    print(f"{'problem':<12}{columns}{'differ':>10}", flush=True)
    for problem in problems:
        length = steps or _STEPS[problem]
        if tree:
            row = _row(problem, *two_trees.compare(tree, settings(problem), blocks, length, _WARM_UP))
        else:
            row = alone(overhead, problem, blocks, length)
        print(row, flush=True)


def _show_games(problems: Sequence[str], blocks: int, steps: int, against: str) -> None:
    """Print a row for each configuration of text, against another checkout."""
    tree = two_trees.checked(against)
    print(f"{'problem':<20}{_columns('game, ms', 'other, ms')}{'differ':>10}", flush=True)
    for problem in problems:
        options = settings(problem, corpus_size=500)  # to draw the configuration's 10,000 would take minutes
        print(_row(problem, *two_trees.compare(tree, options, blocks, steps, warm_up=1), width=20), flush=True)


def _show_options(problems: Sequence[str], blocks: int, steps: int | None, options: Sequence[str]) -> None:
    """Print a row for each option of each problem, or for those of `options`."""
    print(f"{'problem':<21}{'option':<24}{_columns('with, ms', 'plain, ms')}", flush=True)
    for problem in problems:
        for name in options or variants(problem):
            length = steps or (200 if problem == "gaussians" else 2)
            times = alone(option_ratio, problem, name, blocks, length)
            most = alone(option_peak, problem, name)
            print(f"{problem:<21}{name:<24}{summary(times)}{most:>10.0f}", flush=True)


def _columns(ours: str, theirs: str) -> str:
    return f"{ours:>12}{theirs:>10}{'ratio':>8}{'range':>18}{'peak, MiB':>10}"


def main(argv: list[str]) -> None:
    flag_values = command.parse(argv, _define)
    problems, blocks, steps, against = (flag_values[name].value for name in ("problem", "blocks", "steps", "against"))
    if against and flag_values.part == "options":
        raise UserError(f"--against={against}: --part=options does not compare with another checkout")
    if flag_values.task == "text":
        if flag_values.part:
            raise UserError(f"--part={flag_values.part}: --task=text has no parts; leave it out")
        if against:
            _show_games(problems or ["text_oracle20"], blocks, steps or 1, against)
        else:
            sentence_speeds.show(problems, blocks, steps or 1)
        return
    known = _PROBLEMS if flag_values.part == "options" else _STEPS
    for problem in problems:
        if problem not in known:
            raise UserError(f"--problem={problem}: choose among {', '.join(known)}")
    if flag_values.part == "options":
        for problem, name in itertools.product(problems or list(known), flag_values.option):
            if name not in variants(problem):
                raise UserError(f"--option={name}: {problem} has {', '.join(variants(problem))}")
        _show_options(problems or list(known), blocks, steps, flag_values.option)
    else:
        _show_overhead(problems or list(known), blocks, steps, against)


if __name__ == "__main__":
    command.run(main, sys.argv)
