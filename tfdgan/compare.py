"""The command `python -m tfdgan.compare`: train by several arms and seeds, and put the scores side by side.

    python -m tfdgan.compare --arms=arms.toml --seeds=0,1,2 --output=runs/comparison

It goes on with what is there: the same command after an interruption trains what is left. `cli.comparison.arms` says
what an arms file holds.
"""

import os
import sys

from absl import flags

from tfdgan.cli import command, loading
from tfdgan.errors import UserError
from tfdgan.options.paths import expanded


def _define(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_string("arms", None, "TOML file of the arms, which names flagfiles or flags.", flag_values=flag_values)
    flags.DEFINE_string("output", None, "Folder for runs, table.md, results.json, pictures.", flag_values=flag_values)
    flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds, one run of each arm for each.", flag_values=flag_values)
    flags.DEFINE_integer("jobs", 1, "Runs at a time, of all their learners each.", 1, flag_values=flag_values)
    text = "Name of an arm to train, of those in the file; may be given several times."
    flags.DEFINE_multi_string("only", [], text, flag_values=flag_values)
    text = "Name of the arm that the others are compared with, by default the file's first."
    flags.DEFINE_string("reference", None, text, flag_values=flag_values)
    text = "Name of a score to compare, by default the first; may be given several times, for a table each."
    flags.DEFINE_multi_string("score", [], text, flag_values=flag_values)
    text = "Name of a TensorBoard scalar, for a column of means over the second half, and for a panel of scalars.png; "
    text += "may be given several times."
    flags.DEFINE_multi_string("scalar", [], text, flag_values=flag_values)
    text = "Further flags of training for every arm, such as --extra=--data_dir=FOLDER."
    flags.DEFINE_multi_string("extra", [], text, flag_values=flag_values)


def main(argv: list[str]) -> None:
    """Parse the flags, train what is not there, and report."""
    flag_values = command.parse(argv, _define)
    path, output = (
        expanded(name, value)
        for name, value in zip(("arms", "output"), command.required(flag_values, "arms", "output"), strict=True)
    )
    seeds = _seeds(flag_values.seeds)

    from tfdgan.cli.comparison import arms

    chosen = arms.read(path, flag_values.extra)
    known = [arm.name for arm in chosen]
    reference = known[0] if flag_values.reference is None else flag_values.reference
    for flag, name in [*(("only", name) for name in flag_values.only), ("reference", reference)]:
        if name not in known:
            raise UserError(f"--{flag}={name}: no such arm; there are {', '.join(known)}")

    loading.load_tensorflow(whole=False)  # only now, so that errors in the arms show at once
    from tfdgan.cli.comparison import report, results, trials

    runs = trials.of(chosen, seeds, output)
    os.makedirs(output, exist_ok=True)

    def write() -> str:
        done = [run for arm in chosen for run in runs if run.arm is arm and run.done]
        if not done:
            return ""
        found = results.read(done, flag_values.score, flag_values.scalar)
        return report.write(output, found, reference, [run.name for run in runs if not run.done])

    def write_so_far() -> None:
        try:
            write()
        except UserError as error:  # which would end what runs
            print(f"no report yet: {error.as_flags()}", flush=True)

    wanted = [run for run in runs if not flag_values.only or run.arm.name in flag_values.only]
    failed = trials.run(wanted, flag_values.jobs, after=write_so_far)
    print(write(), end="")
    if failed:
        raise UserError(f"{len(failed)} run(s) failed: {'; '.join(run.name for run in failed)}; call again to go on")


def _seeds(texts: list[str]) -> list[int]:
    said = f"--seeds={','.join(texts)}"
    if not all(text.isdecimal() and int(text) < 2**63 for text in texts):
        raise UserError(f"{said}: give whole numbers below 2**63, as 0,1,2")
    seeds = [int(text) for text in texts]
    if len(set(seeds)) < len(seeds) or not seeds:
        raise UserError(f"{said}: give each seed once, and one at least")
    return seeds


if __name__ == "__main__":
    command.run(main, sys.argv)
