"""`python tests/run_files.py [-m EXPRESSION] [FILE ...]` runs test files, each in a process of its own.

TensorFlow keeps every graph that a process has traced. One process for all tests grew to 11 GB, and its last tests took
two to four times as long as they take alone. Each file's process is a fork of one that has loaded TensorFlow (warm.py),
as many at a time as there are processors, at most four. Fast tests come first, then the files that take longest. A file
that fails is shown whole; the end names tests that failed or were skipped, and the slowest ones.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import warm

TESTS = pathlib.Path(__file__).resolve().parent
_FAST, _SLOW = "not slow and not distributed", "(slow or distributed)"
_LONGEST = ("resume", "distributed", "configurations", "split_batch", "guides", "kill", "style_transfer")
_NOTHING_TO_RUN = 5  # pytest's exit code
_SHOWN = 40
_PATIENCE = 300  # seconds


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What pytest said of a file, and how it ended (an exit code of pytest, or minus a signal)."""

    file: pathlib.Path
    code: int
    said: str

    @property
    def failed(self):
        """Also of a process that ended, by whatever, before pytest had told how tests ended."""
        return self.code not in (0, _NOTHING_TO_RUN) or (self.code == 0 and not self.summary)

    @property
    def counts(self):
        """How many tests passed, failed, ..., by the summary line."""
        return {kind.removesuffix("s"): int(number) for number, kind in re.findall(r"(\d+) ([a-z]+)", self.summary)}

    @property
    def summary(self):
        """Pytest's last line, such as `3 passed, 8 deselected in 15.04s`; "" where it said none."""
        return (re.findall(r"^\d+ [a-z]+.* in [\d.]+s.*$", self.said, re.MULTILINE) or [""])[-1]

    @property
    def not_passed(self):
        """Pytest's lines of tests that failed or were skipped."""
        return re.findall(r"^(?:FAILED|ERROR|SKIPPED \[\d+\]) \S+\.py\b.*$", self.said, re.MULTILINE)

    @property
    def durations(self):
        return [
            (float(line.split("s ")[0]), line)
            for line in re.findall(r"^[\d.]+s (?:call|setup|teardown) +\S+\.py::.*$", self.said, re.MULTILINE)
        ]


def order(files):
    """(file, expression) in the order of running: fast tests of all files, then those of the longest files."""

    def place(file):
        name = file.stem.removeprefix("test_")
        return _LONGEST.index(name) if name in _LONGEST else len(_LONGEST)

    slow = [file for file in files if re.search(r"mark\.(slow|distributed)", file.read_text())]
    return [(file, _FAST) for file in files] + [(file, _SLOW) for file in sorted(slow, key=place)]


def run(file, expression, at_work):
    """The outcome of pytest on a file's tests of which the expression of marks holds.

    Args:
      at_work: where the process is found while it runs, {process: file}.
    """
    words = f"pytest -q -rfEs --color=no -p no:xdist --durations={_SHOWN} --durations-min=5".split()
    command = [
        sys.executable,
        warm.__file__,
        os.environ["TFDGAN_TESTS_WARM"],
        "-m",
        *words,
        "-m",
        expression,
        str(file),
    ]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, cwd=TESTS.parent, text=True, errors="replace", **pipes) as process:
        at_work[process] = file
        said, _ = process.communicate()
    del at_work[process]
    return Outcome(file, process.returncode, said)


def main(arguments=None):
    """Run what the command line asks for; 0 if nothing failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", dest="marks", metavar="EXPRESSION", default="", help="run tests of these marks only")
    parser.add_argument("files", nargs="*", type=pathlib.Path, help="test files; all, if none is given")
    given = parser.parse_args(arguments)
    for file in given.files:
        if not file.is_file():
            parser.error(f"{file}: no such file")
    jobs = order([file.resolve() for file in given.files] or sorted(TESTS.glob("test_*.py")))
    if given.marks:
        jobs = [(file, f"({given.marks}) and {expression}") for file, expression in jobs]
    os.environ.pop("PYTEST_ADDOPTS", None)
    if "TFDGAN_TESTS_WARM" not in os.environ:
        os.environ["TFDGAN_TESTS_WARM"] = warm.started()
    for number in (signal.SIGTERM, signal.SIGINT):  # which may be ignored, as in a shell's background
        signal.signal(number, signal.default_int_handler)
    begin, outcomes, at_work = time.monotonic(), [], {}
    pool = concurrent.futures.ThreadPoolExecutor(min(os.cpu_count(), 4))
    try:
        for outcome in each(pool, jobs, at_work):
            outcomes.append(outcome)
            if outcome.failed or not outcome.counts.keys() <= {"deselected"}:
                shown = f"pytest ended with {outcome.code}\n{outcome.said}" if outcome.failed else outcome.summary
                print(f"[{len(outcomes):{len(str(len(jobs)))}}/{len(jobs)}] {outcome.file.name}: {shown}", flush=True)
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in list(at_work):
            process.terminate()
        print(f"interrupted; {len(jobs) - len(outcomes)} of {len(jobs)} processes had not ended")
        conclude(outcomes, time.monotonic() - begin)
        return 128 + signal.SIGINT
    return conclude(outcomes, time.monotonic() - begin)


def each(pool, jobs, at_work):
    """The outcome of each job as it ends; says every few minutes what runs if nothing has ended."""
    waiting = {pool.submit(run, *job, at_work) for job in jobs}
    while waiting:
        done, waiting = concurrent.futures.wait(waiting, _PATIENCE, concurrent.futures.FIRST_COMPLETED)
        yield from (future.result() for future in done)
        if not done:
            print("still at work:", *sorted(file.name for file in list(at_work.values())), flush=True)


def conclude(outcomes, seconds):
    """Print what the run came to; the exit code."""
    total = sum((collections.Counter(outcome.counts) for outcome in outcomes), collections.Counter())
    slowest = sorted((line for outcome in outcomes for line in outcome.durations), reverse=True)[:_SHOWN]
    print("\nslowest tests:", *(line for _, line in slowest), sep="\n")
    lines = [line for outcome in outcomes for line in outcome.not_passed]
    print("\nshort test summary:", *sorted(lines, reverse=True), "", sep="\n")  # SKIPPED, FAILED, ERROR
    broken = sum(outcome.failed for outcome in outcomes)
    counted = ", ".join(f"{total[kind]} {kind}" for kind in ("failed", "error", "passed", "skipped") if total[kind])
    print(f"{counted or 'no tests ran'} in {seconds:.0f} s ({broken} of {len(outcomes)} processes ended badly)")
    return 1 if broken or not counted else 0


if __name__ == "__main__":
    sys.exit(main())
