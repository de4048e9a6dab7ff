"""What importing the package does to a process: which libraries it loads, what it leaves in the environment."""

import inspect
import json
import pathlib
import pkgutil

import numpy as np
import pytest
from conftest import ROOT, launch

HEAVY = {"tensorflow", "keras", "horovod"}


def modules():
    """(name, whether it is a package) of every module of tfdgan, itself included; nothing is imported."""
    found = [("tfdgan", True)]
    for folder in [ROOT / "tfdgan", *sorted(path for path in (ROOT / "tfdgan").rglob("*") if path.is_dir())]:
        prefix = ".".join(folder.relative_to(ROOT).parts) + "."
        found += [(name, package) for _, name, package in pkgutil.iter_modules([str(folder)], prefix)]
    return found


LIGHT = sorted(name for name, package in modules() if package or name.endswith(".options"))
LIGHT += ["tfdgan.cli.config", "tfdgan.cli.command", "tfdgan.cli.flagfiles", "tfdgan.tasks.names"]
LIGHT += ["tfdgan.cli.supervision"]  # of which there is one beside each learner
COMMANDS = ("train", "supervise", "evaluate", "generate", "export", "report", "launch", "doctor")
LIGHT += [f"tfdgan.{command}" for command in COMMANDS]
LIGHT += ["tfdgan.__main__", "tfdgan.cli.reports.report"]


def test_modules_are_found():
    found = {name for name, _ in modules()}
    files = {path for path in (ROOT / "tfdgan").rglob("*.py") if path.name != "__init__.py"}
    packages = {path.parent for path in (ROOT / "tfdgan").rglob("__init__.py")}
    assert found == {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files | packages}
    named = ["gossip", "data", "models", "objectives", "optimizers", "strategies", "training", "tasks", "distributed"]
    named += ["metrics", "cli.config", *(f"{name}.options" for name in [*named, "cli"] if name != "distributed")]
    assert {"tfdgan", *(f"tfdgan.{name}" for name in named)} <= set(LIGHT)


ENVIRONMENT = """
import importlib, json, os, sys
import tensorflow, keras, horovod.tensorflow
before = dict(os.environ)
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
    if dict(os.environ) != before:
        print(name, sorted(dict(os.environ).items() ^ before.items()))
        before = dict(os.environ)
print("imported", len([name for name in sys.modules if name.split(".")[0] == "tfdgan"]))
"""


def test_importing_everything_sets_no_environment_variable():
    names = [name for name, _ in modules()]
    said = launch(0, "-c", ENVIRONMENT, json.dumps(names), cold=True).stdout
    assert said.splitlines() == [f"imported {len(names)}"]


LOADED = """
import importlib, json, sys
heavy = set(json.loads(sys.argv[1]))
for name in json.loads(sys.argv[2]):
    for module in [module for module in sys.modules if module.split(".")[0] == "tfdgan"]:
        del sys.modules[module]
    module = importlib.import_module(name)
    dir(module)
    if loaded := heavy & set(sys.modules):
        sys.exit(f"{name} loads {sorted(loaded)}")
    print(name)
"""


def test_packages_and_options_load_no_tensorflow():
    """Each as if it were the first of the package that a process imports."""
    said = launch(0, "-c", LOADED, json.dumps(sorted(HEAVY)), json.dumps(LIGHT), cold=True).stdout
    assert said.splitlines() == LIGHT


@pytest.mark.parametrize("stub", sorted((ROOT / "tfdgan").rglob("*.pyi")), ids=lambda path: path.parent.name)
def test_names_of_a_lazy_package_are_there(stub):
    """What a stub promises can be imported, and its package says that it has it."""
    package = __import__(".".join(stub.parent.relative_to(ROOT).parts), fromlist=["*"])
    names = [line.split(" as ")[1].strip() for line in stub.read_text().splitlines() if " as " in line]
    assert names and set(names) <= set(dir(package)) and set(names) <= set(package.__all__)
    for name in names:
        assert getattr(package, name) is not None


def test_the_public_names():
    import keras
    import tensorflow as tf

    import tfdgan
    from tfdgan import gossip, objectives
    from tfdgan.gossip import topology
    from tfdgan.optimizers import OptimisticAdam

    assert issubclass(OptimisticAdam, keras.optimizers.Optimizer) and tfdgan.OptimisticAdam is OptimisticAdam
    assert keras.saving.get_registered_name(OptimisticAdam) == "tfdgan>OptimisticAdam"
    assert tfdgan.mix is gossip.mix and gossip.topology is topology
    assert (tfdgan.make_schedule, tfdgan.mixing_matrix) == (topology.make_schedule, topology.mixing_matrix)
    W = topology.mixing_matrix("ring", 4)
    assert W.shape == (4, 4) and W.dtype == np.float64
    assert topology.spectral_gap(W) == pytest.approx(2 / 3)
    schedule = topology.make_schedule("ring", 4, random=True, seed=3)
    assert schedule.matrix(7, rounds=2).shape == (4, 4)
    assert [len(part) for part in schedule.peers(7, 2)[:3]] == [2, 2, 2]
    keywords = {name: parameter.default for name, parameter in inspect.signature(gossip.mix).parameters.items()}
    assert list(keywords)[:3] == ["tensors", "schedule", "step"]
    wanted = {"rounds": 1, "backend": "auto", "wire_dtype": None, "channel": "default"}
    assert wanted.items() <= keywords.items()
    scores = tf.constant([0.0, 1.0])
    ratio = objectives.probability_ratio(scores, scores)
    assert ratio.numpy().tolist() == [1, 1]
    assert objectives.clipped_ratio_surrogate(scores, ratio, 0.4).shape == (2,)
    assert float(tf.reduce_sum(objectives.sample_weights(scores, temperature=2.0))) == pytest.approx(1)
    assert all(callable(getattr(tfdgan, name)) for name in ("start", "rank", "size", "fit"))
    assert inspect.ismodule(__import__("tfdgan.train", fromlist=["main"]))  # the command's; `fit` is the function


def test_typed():
    """Whoever installs the package gets its annotations."""
    assert (pathlib.Path(ROOT) / "tfdgan/py.typed").exists()
