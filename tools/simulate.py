"""Up to 1,024 learners without a cluster: how they converge, by simulation, and how long that takes, by a cost model.

    python tools/simulate.py --part=convergence,scaling,claims --workdir=runs/simulation
    python tools/simulate.py --part=convergence --setups=ring,random_ring,ring+chebyshev=4 --learners=64 --workdir=...
    python tools/simulate.py --part=scaling --networks=home --slow_learner=4 --workdir=runs/simulation

All learners train in one process on a game whose gradients are written by hand: bilinear, quadratic (strongly
monotone) or a small GAN on a ring of Gaussians. convergence: consensus distance and gradient norm. scaling: iterations
an hour on three networks, and hours to a target: steps simulated, seconds an iteration predicted
(tools/simulation/cost_model.py says from what). claims: random mixing, rounds of gossip, speed-up in the number of
learners. Tables are printed and written as TSV beside plots. What is simulated is the algorithm; that a large GAN
behaves as these games do is not shown by it. A few minutes on one core for each part.
"""

import os
import sys

from absl import flags

from tfdgan.cli import command
from tfdgan.errors import UserError
from tools.simulation import claims, convergence, cost_model, games, rules, scaling, setups, study, timing

_PARTS = {"convergence": convergence, "scaling": scaling, "claims": claims}
_MOST_LEARNERS = 1024
_STUDY, _WORK = study.Study(), timing.Workload()

# Flags that not every part reads: given where none of the parts asked for does, they are errors.
_TIMED = ("critic_numbers", "generator_numbers", "critic_steps", "compute", "spread", "stragglers", "slow_learner")
_TIMED += ("slow_link", "arithmetic", "local")
_READ_BY = {
    "setups": ("convergence", "scaling"),
    "networks": ("scaling",),
    **dict.fromkeys(_TIMED, ("scaling", "claims")),
}


def _define(flag_values):
    def number(name, default, text, define=flags.DEFINE_float):
        define(name, default, text, flag_values=flag_values)

    def names(name, default, text):
        flags.DEFINE_list(name, default, text, flag_values=flag_values)

    names("part", ["convergence"], f"Of {', '.join(_PARTS)}.")
    flags.DEFINE_string("workdir", None, "Folder for tables and plots.", flag_values=flag_values)
    names("setups", None, f"Who exchanges what: {setups.GRAMMAR}; default: the part's own.")
    names("learners", None, f"Numbers of learners, to {_MOST_LEARNERS}; default: the part's own.")
    flags.DEFINE_string("game", _STUDY.game, f"One of {', '.join(games.NAMES)}.", flag_values=flag_values)
    flags.DEFINE_string("method", _STUDY.method, f"One of {', '.join(rules.METHODS)}.", flag_values=flag_values)
    names("learning_rates", None, "Tried in turn, the best kept for each run; default: the method's own.")
    number("sigma", _STUDY.sigma, "Standard deviation of each learner's gradient noise.")
    number("heterogeneity", _STUDY.heterogeneity, "Standard deviation of the learners' offsets.")
    number("steps", _STUDY.steps, "Steps of a run, at most.", flags.DEFINE_integer)
    number("target", _STUDY.target, "Gradient norm to reach, a share of that at the start.")
    text = "Gradient norms are those at the learners' mean, or at the learners' own weights (learners)."
    flags.DEFINE_string("at", _STUDY.at, text, flag_values=flag_values)
    text = "Learners n of the second moment of oadam_split_batch; 0: as many as there are."
    number("noise_learners", _STUDY.noise_learners, text)
    number("seed", _STUDY.seed, "Seed.", flags.DEFINE_integer)
    number("scale", 1.0, "Factor on the number of steps.")
    names("networks", list(cost_model.NETWORKS), f"Of {', '.join(cost_model.NETWORKS)} (scaling).")
    number("critic_numbers", _WORK.critic_numbers, "Weights of the critic (scaling, claims, as all that follow).")
    number("generator_numbers", _WORK.generator_numbers, "Weights of the generator.")
    number("critic_steps", _WORK.critic_steps, "Critic updates an iteration.", flags.DEFINE_integer)
    number("compute", _WORK.compute, "Mean seconds of an iteration's gradients.")
    number("spread", _WORK.spread, "Their standard deviation, a share of the mean.")
    text = f"Their distribution, one of {', '.join(timing.DISTRIBUTIONS)}."
    flags.DEFINE_string("stragglers", _WORK.distribution, text, flag_values=flag_values)
    number("slow_learner", _WORK.slow_learner, "Factor on learner 0's computing times.")
    number("slow_link", _WORK.slow_link, "Factor by which learner 0's link is slower.")
    number("arithmetic", _WORK.arithmetic, "Seconds by which computing lengthens a gossip round.")
    number("local", _WORK.local, "Seconds an iteration that taking in an exchange costs.")


def _numbers(flag_values, name, kind, default=None):
    given = flag_values[name].value
    try:
        return [kind(text) for text in (default.split(",") if given is None else given)]
    except ValueError as error:
        raise UserError(f"--{name}={','.join(given)}: give numbers with commas between them") from error


def _sizes(flag_values, default):
    sizes = _numbers(flag_values, "learners", int, default)
    if not sizes or min(sizes) < 2 or max(sizes) > _MOST_LEARNERS:
        raise UserError(f"--learners={','.join(map(str, sizes))}: from 2 to {_MOST_LEARNERS} learners")
    return sizes


def _study(flag_values):
    if flag_values.scale <= 0 or flag_values.steps < 1:
        raise UserError(f"--steps={flag_values.steps} --scale={flag_values.scale}: give numbers above 0")
    if flag_values.seed < 0:
        raise UserError(f"--seed={flag_values.seed}: at least 0")
    return study.Study(
        game=flag_values.game,
        method=flag_values.method,
        learning_rates=tuple(_numbers(flag_values, "learning_rates", float)) if flag_values.learning_rates else (),
        sigma=flag_values.sigma,
        heterogeneity=flag_values.heterogeneity,
        steps=max(20, round(flag_values.steps * flag_values.scale)),
        target=flag_values.target,
        at=flag_values.at,
        seed=flag_values.seed,
        noise_learners=flag_values.noise_learners,
    )


def _workload(flag_values, method):
    shared = {name: flag_values[name].value for name in _TIMED if name != "stragglers"}
    return timing.Workload(**shared, distribution=flag_values.stragglers, overlap=method != "dposg")


def _check_parts(flag_values):
    for part in flag_values.part:
        if part not in _PARTS:
            raise UserError(f"--part={part}: choose of {', '.join(_PARTS)}")
    for name, readers in _READ_BY.items():
        if flag_values[name].present and not set(readers) & set(flag_values.part):
            raise UserError(f"--{name}: only --part={' and '.join(readers)} reads it")


def _networks(flag_values):
    for name in flag_values.networks:
        if name not in cost_model.NETWORKS:
            raise UserError(f"--networks={name}: choose of {', '.join(cost_model.NETWORKS)}")
    return [cost_model.NETWORKS[name] for name in flag_values.networks]


def main(argv):
    flag_values = command.parse(argv, _define)
    (workdir,) = command.required(flag_values, "workdir")
    _check_parts(flag_values)
    one, networks = _study(flag_values), _networks(flag_values)
    workload = _workload(flag_values, one.method)
    jobs = []  # all that can be wrong is found before the first long run
    for part in flag_values.part:
        sizes = _sizes(flag_values, _PARTS[part].LEARNERS)
        if part != "claims":
            chosen = [setups.parse(text) for text in flag_values.setups or _PARTS[part].SETUPS.split(",")]
        if part == "convergence":
            jobs.append(lambda s=sizes, c=chosen: convergence.run(one, c, s, workdir))
        elif part == "scaling":
            jobs.append(lambda s=sizes, c=chosen: scaling.run(one, workload, c, s, networks, workdir))
        else:
            jobs.append(lambda s=sizes: claims.run(one, workload, s, workdir))
    os.makedirs(workdir, exist_ok=True)
    for job in jobs:
        job()
    print(f"\n{workdir}: {', '.join(sorted(os.listdir(workdir)))}")


if __name__ == "__main__":
    command.run(main, sys.argv)
