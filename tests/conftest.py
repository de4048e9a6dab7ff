"""What tests share: launching learners, and the data folder."""

import functools
import os
import pathlib
import subprocess
import sys

import pytest
import warm

ROOT = pathlib.Path(__file__).parent.parent
WARM = str(ROOT / "tests/warm.py")

warm.collect_garbage_rarely()

# Files in distributed/ run under horovodrun, started by test_distributed.py.
collect_ignore = [] if "HOROVOD_RANK" in os.environ else ["distributed"]


def pytest_collection_modifyitems(items):
    """Fast tests first."""
    items.sort(key=lambda item: bool({mark.name for mark in item.iter_markers()} & {"slow", "distributed"}))


@pytest.fixture(scope="session", autouse=True)
def graphs_as_traced():
    """This process does not optimize graphs, most of which it runs once, nor do warm ones (warm.py)."""
    if "HOROVOD_RANK" not in os.environ:
        _optimize_graphs(False)


@pytest.fixture
def optimized_graphs():
    """Graphs are optimized, for a test of what they compute to the last bit."""
    _optimize_graphs(True)
    yield
    _optimize_graphs("HOROVOD_RANK" in os.environ)


def _optimize_graphs(on):
    if tf := sys.modules.get("tensorflow"):
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not on})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where real data must be there, a test of it that is skipped, for whatever reason, has failed."""
    report = yield
    if report.skipped and item.get_closest_marker("data") and "TFDGAN_REQUIRE_DATA" in os.environ:
        report.outcome, report.longrepr = "failed", f"skipped, although TFDGAN_REQUIRE_DATA is set: {report.longrepr}"
    return report


def environment(**variables):
    """This process's environment, so changed that a subprocess finds the package from any folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **variables}


def horovodrun(learners, *command, cold=False):
    """The command on several learners; unless `cold`, by `tfdgan launch`'s horovodrun, which loads no TensorFlow."""
    plain = [os.path.join(os.path.dirname(sys.executable), "horovodrun")]
    ours = [sys.executable, "-m", "tfdgan.cli.launching.horovodrun"]
    return [*(plain if cold else ours), "--gloo", "-np", str(learners), *command]


@functools.cache
def warm_server():
    """The socket of a server that has loaded TensorFlow: that of run_files.py, or one started at the first call."""
    return os.environ.get("TFDGAN_TESTS_WARM") or warm.started()


def python(*arguments, cold):
    """The command `python -u ARGUMENTS`; unless `cold`, TensorFlow is loaded already."""
    return [sys.executable, *(["-u"] if cold else [WARM, warm_server()]), *map(str, arguments)]


def launch(learners, *arguments, timeout=600, check=True, cwd=ROOT, cold=False, **variables):
    """Run `python ARGUMENTS` under horovodrun; on 0 learners: without a launcher. Returns the finished process."""
    command = python(*arguments, cold=cold)
    if learners:
        command = horovodrun(learners, *command, cold=cold)
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    if check and done.returncode:
        raise AssertionError(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-30000:]}\n{done.stderr[-6000:]}"
        )
    return done


@pytest.fixture(scope="session")
def data_folder():
    """The folder of real data, or skip."""
    folder = os.environ.get("TFDGAN_TEST_DATA")
    if not folder or not os.path.isdir(folder):
        pytest.skip("needs real data: set TFDGAN_TEST_DATA to its folder")
    return pathlib.Path(folder).resolve()
