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
import subprocess
import sys
import time

import warm

TESTS = pathlib.Path(__file__).resolve().parent
_FAST, _SLOW = "not slow and not distributed", "(slow or distributed)"
_LONGEST = ("resume", "distributed", "configurations", "split_batch", "guides", "kill", "style_transfer")
_NOTHING_TO_RUN = 5  # pytest's exit code
_SHOWN = 40


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What pytest said of a file, and how it ended (an exit code of pytest, or minus a signal)."""

    code: int
    said: str

    @property
    def failed(self):
        return self.code not in (0, _NOTHING_TO_RUN)

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


def run(file, expression):
    """The outcome of pytest on a file's tests of which the expression of marks holds."""
    words = f"pytest -q -rs -p no:xdist --durations={_SHOWN} --durations-min=5".split()
    words += ["-m", expression, str(file)]
    command = [sys.executable, warm.__file__, os.environ["TFDGAN_TESTS_WARM"], "-m", *words]
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(command, cwd=TESTS.parent, stdin=subprocess.DEVNULL, text=True, errors="replace", **output)
    return Outcome(done.returncode, done.stdout)


def main(arguments=None):
    """Run what the command line asks for; 0 if nothing failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", dest="marks", metavar="EXPRESSION", default="", help="run tests of these marks only")
    parser.add_argument("files", nargs="*", type=pathlib.Path, help="test files; all, if none is given")
    given = parser.parse_args(arguments)
    jobs = order([file.resolve() for file in given.files] or sorted(TESTS.glob("test_*.py")))
    if given.marks:
        jobs = [(file, f"({given.marks}) and {expression}") for file, expression in jobs]
    if "TFDGAN_TESTS_WARM" not in os.environ:
        os.environ["TFDGAN_TESTS_WARM"] = warm.started()
    begin, outcomes, width = time.monotonic(), [], len(str(len(jobs)))
    with concurrent.futures.ThreadPoolExecutor(min(os.cpu_count(), 4)) as pool:
        running = {pool.submit(run, *job): job[0] for job in jobs}
        for future in concurrent.futures.as_completed(running):
            outcomes.append(outcome := future.result())
            if outcome.failed or not outcome.counts.keys() <= {"deselected"}:
                shown = f"pytest ended with {outcome.code}\n{outcome.said}" if outcome.failed else outcome.summary
                print(f"[{len(outcomes):{width}}/{len(jobs)}] {running[future].name}: {shown}", flush=True)
    return conclude(outcomes, time.monotonic() - begin)


def conclude(outcomes, seconds):
    """Print what the run came to; the exit code."""
    total = sum((collections.Counter(outcome.counts) for outcome in outcomes), collections.Counter())
    slowest = sorted((line for outcome in outcomes for line in outcome.durations), reverse=True)[:_SHOWN]
    print("\nslowest tests:", *(line for _, line in slowest), sep="\n")
    lines = sorted(
        (line for outcome in outcomes for line in outcome.not_passed), reverse=True
    )  # SKIPPED, FAILED, ERROR
    print("\nshort test summary:", *lines, "", sep="\n")
    broken = sum(outcome.failed for outcome in outcomes)
    counted = ", ".join(f"{total[kind]} {kind}" for kind in ("failed", "error", "passed", "skipped") if total[kind])
    print(f"{counted or 'no tests ran'} in {seconds:.0f} s ({broken} of {len(outcomes)} processes ended badly)")
    return 1 if broken or not total["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
