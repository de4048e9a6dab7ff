"""Workdirs of the state before the package became a library still resume, evaluate, generate and export."""

import pathlib
import shutil

import numpy as np
import pytest
from conftest import ROOT, launch

pytestmark = pytest.mark.slow
OLD = ROOT / "tests/old_workdirs"


@pytest.fixture
def workdir(request, tmp_path):
    """A copy of an old workdir."""
    return pathlib.Path(shutil.copytree(OLD / request.param, tmp_path / request.param))


@pytest.mark.parametrize("workdir", ["image", "text"], indirect=True)
def test_all_commands_take_an_old_workdir(workdir):
    done = launch(2, "-m", "tfdgan.train", f"--workdir={workdir}", "--steps=14", "--eval_every=0")
    assert "resuming at step 10" in done.stdout and "done: 14 steps" in done.stdout
    (step,) = sorted(path.name for path in (workdir / "checkpoints").iterdir())
    assert step == "00000014"
    done = launch(0, "-m", "tfdgan.evaluate", f"--workdir={workdir}", "--samples=100")
    wanted = {"image": "good samples", "text": "NLL_oracle"}[workdir.name]
    assert "step 14 of" in done.stdout and wanted in done.stdout
    output = workdir / {"image": "samples.npz", "text": "samples.txt"}[workdir.name]
    done = launch(0, "-m", "tfdgan.generate", f"--workdir={workdir}", "--num=5", f"--output={output}")
    assert f"{output}: 5 samples of step 14, consensus EMA" in done.stdout
    done = launch(0, "-m", "tfdgan.export", f"--workdir={workdir}", f"--output={workdir}/exported")
    assert "the generator of step 14" in done.stdout and (workdir / "exported/saved_model.pb").is_file()


def test_names_of_arrays_are_as_they_were():
    """Or nothing old could be restored: the names of one learner's arrays, of weights, slots, state and average."""
    with np.load(OLD / "text/checkpoints/00000010/learner_001.npz") as stored:
        groups = {name.rsplit("/", 1)[0] for name in stored.files}
    assert groups == {
        *(f"{kind}/{player}" for kind in ("model", "optimizer") for player in ("critic", "generator", "classifier")),
        "optimizer/pretraining",
        "average/generator",
    }
