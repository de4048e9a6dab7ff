"""The command report: one HTML page about a run, which holds what the workdir says and nothing that it must load."""

import base64
import importlib.metadata
import io
import json
import os
import pathlib
import platform
import re
import shutil

import numpy as np
import pytest
from conftest import ROOT, launch
from pages import Page
from PIL import Image

import tfdgan
from tfdgan import report as report_command
from tfdgan.cli import flagfiles, scalars
from tfdgan.cli.config import Config
from tfdgan.cli.reports import report, samples
from tfdgan.errors import UserError
from tfdgan.storage.claim import Claim
from tfdgan.training import score_log

OLD = ROOT / "tests/old_workdirs"
SMALL = (
    *("--dataset=gaussians", "--model=mlp", "--latent_size=2", "--width_g=8", "--width_d=8", "--batch_size=4"),
    *("--critic_steps=1", "--log_every=4", "--eval_every=20", "--checkpoint_every=20", "--eval_samples=100"),
    *("--random_mixing", "--steps=40"),
)


def page(workdir, *flags):
    """The page that the command writes about a workdir."""
    report_command.main(["report", f"--workdir={workdir}", *flags])
    return Page((pathlib.Path(workdir) / "report.html").read_text(encoding="utf-8"))


def made(folder, **options):
    """A workdir that holds flags alone."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.flags").write_text(flagfiles.write(Config(workdir=str(folder), **options)))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The workdir of two learners after 40 steps."""
    workdir = tmp_path_factory.mktemp("run") / "points"
    launch(2, "-m", "tfdgan.train", *SMALL, f"--workdir={workdir}")
    return workdir


@pytest.mark.slow
@pytest.mark.distributed
def test_the_page_of_a_run(run, capsys):
    found = page(run)
    assert f"{run}/report.html: the run of {run}, 40 of 40 steps; " in capsys.readouterr().out
    text = found.text
    assert text.startswith("gaussians, mlp: Rand-DP-OAdam on 2 learners gaussians, mlp:")  # title and headline
    assert "Steps 40 of 40 " in text and "Learners 2 " in text and "2 throughout" in text
    for title in ("Critic's loss", "Generator's loss", "Consensus distance", "Time of a step (ms)", "good samples"):
        assert title in text
    for heading in ("Samples", "Curves", "Scores", "Network", "Checkpoints", "Flags", "Environment"):
        assert heading.lower() in found.references  # a link leads there
    # To one neighbour once a step, 4 bytes each: MLPs 2-8-8-8-2 (24 + 72 + 72 + 18) and 2-8-8-8-1 (9 at the end).
    assert "MB a learner sends in a step 0.001452 " in text
    assert "horovodrun -np 2 python -m tfdgan.train --flagfile=" in text
    assert "--batch_size=4 " in text and "--eval_samples=100 " in text
    assert found.tags["script"] == found.tags["link"] == 0


@pytest.mark.slow
@pytest.mark.distributed
def test_figures_are_those_of_the_log(run):
    """Of each score the best and the last, and in the headline the best of what the best checkpoint is chosen by."""
    records = [json.loads(line) for line in (run / "scores.jsonl").read_text().splitlines()]
    wanted = []
    for name in ("modes found of 25", "good samples"):
        values = [record["value"] for record in records if record["name"] == name]
        assert len(values) == 2
        wanted += [max(values), values[-1]]
    found = page(run)
    assert found.figures == [wanted[2], *wanted]
    best = next(record for record in records if record["name"] == "good samples" and record["value"] == wanted[2])
    assert (
        f"Best good samples: {wanted[2]:.4g} at step {best['step']} good: within 4 sigma; generated: 100" in found.text
    )


@pytest.mark.slow
@pytest.mark.distributed
def test_samples_are_those_of_the_run(run):
    """Larger pictures than the page shows are made smaller; of the last one all is kept."""
    *_, last = page(run).images
    assert last["alt"] == "generated samples after 40 steps"
    data = base64.b64decode(last["src"].removeprefix("data:image/png;base64,"))
    assert data == (run / "samples/00000040.png").read_bytes()
    assert Image.open(io.BytesIO(data)).size == (int(last["width"]), int(last["height"]))


@pytest.mark.slow
@pytest.mark.distributed
def test_the_environment_is_that_of_the_checkpoint(run, tmp_path):
    """What the manifest says, not what is installed where the page is made."""
    here = importlib.metadata.version
    text = page(run).text
    assert f"tfdgan {tfdgan.__version__} TensorFlow " in text
    assert f"Keras {here('keras')} NumPy {here('numpy')} Horovod 0.28.1 Python {platform.python_version()} " in text
    assert re.search(
        rf"System \S.* Linux {re.escape(platform.release())} Processor [0-9]+ of \S.* Threads within", text
    )
    workdir = pathlib.Path(shutil.copytree(run, tmp_path / "run"))
    for path in workdir.glob("checkpoints/*/manifest.json"):
        manifest = json.loads(path.read_text())
        path.write_text(json.dumps({**manifest, "keras": "9.8.7", "horovod": "", "threads": [3, 0]}))
    text = page(workdir).text
    assert "Keras 9.8.7 " in text and " Horovod none Python " in text
    assert "Threads within an operation: 3; between operations: as many as TensorFlow takes" in text


@pytest.mark.slow
@pytest.mark.distributed
def test_a_run_that_is_not_done_and_files_that_are_half_written(run, tmp_path):
    workdir = pathlib.Path(shutil.copytree(run, tmp_path / "run"))
    flags = (workdir / "config.flags").read_text()
    (workdir / "config.flags").write_text(flags.replace("--steps=40\n", "--steps=1000\n"))
    whole = scalars.scalars(str(workdir), "loss/critic")["loss/critic"]
    assert [step for step, _ in whole] == list(range(4, 41, 4))
    (events,) = (workdir / "tensorboard").glob("*.tfevents.*")
    data = events.read_bytes()
    events.write_bytes(data[: data.rindex(b"gradient_norm/critic")])  # in the first record of the last tick
    assert scalars.scalars(str(workdir), "loss/critic")["loss/critic"] == whole[:-1]
    with (workdir / "scores.jsonl").open("a") as file:
        file.write('[1]\n{"step": 60}\n{"step": 60, "name": "FD", "val')
    (workdir / "checkpoints/00000040/manifest.json").write_text("{")
    (workdir / "samples/00000020.png").write_bytes(b"\x89PNG, but no picture")
    (workdir / "samples/.00000060.png.tmp").write_bytes(b"")
    for path in (workdir / "best").iterdir():
        path.write_bytes(b"PK")
    found = page(workdir)
    assert "Steps 40 of 1,000 (nobody is training here now; newest checkpoint: 40)" in found.text
    holder = Claim(str(workdir), "a job")
    holder.take()
    assert "Steps 40 of 1,000 (training now; newest checkpoint: 40)" in page(workdir).text
    holder.release()
    assert "40 not readable not readable" in found.text and "As the checkpoint of step 20 says" in found.text
    assert [image["alt"] for image in found.images] == ["generated samples after 40 steps"]
    assert "Best good samples: " in found.text and "--step=best" not in found.text


@pytest.mark.slow
@pytest.mark.distributed
def test_scalars_are_those_that_tensorboard_reads(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"tensors": 0}).Reload()
    tags = set(scalars.tags(str(run)))
    others = {"samples", "learners", "flags", "what the scalars say", "custom_scalars__config__"}
    others.add("_hparams_/session_start_info")
    assert tags == set(events.Tags()["tensors"]) - others and len(tags) > 10
    for name, points in scalars.scalars(str(run), *tags).items():
        assert points == [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors(name)]


COLD = """
import sys
from tfdgan import report
report.main(["report", *sys.argv[1:]])
sys.exit(f"loaded: {sorted({'tensorflow', 'keras', 'horovod'} & set(sys.modules))}")
"""


@pytest.mark.parametrize("kind, task", [("image", "gaussians, mlp"), ("text", "oracle, lstm")])
def test_old_workdirs_without_tensorflow(kind, task, tmp_path):
    """They have no scores, samples or logs."""
    output = tmp_path / "a folder/page.html"
    flags = (f"--workdir={OLD / kind}", f"--output={output}")
    done = launch(0, "-c", COLD, *flags, cold=True, check=False)
    assert done.stderr.splitlines()[-1] == "loaded: []" and str(output) in done.stdout
    assert not (OLD / kind / "report.html").exists()
    text = Page(output.read_text()).text
    assert f"{task}: DP-OAdam on 2 learners There are no scores so far." in text and "Steps 10 of 10 " in text
    assert "left no samples so far" in text and "Nothing was logged so far." in text and "Network" not in text
    assert "TensorFlow 2.21.0 Keras not recorded NumPy not recorded" in text
    assert ("--step=pretrained" in text) == (kind == "text")


HOSTILE = (
    "<img src=http://x.example/ onerror=alert(1)> \"'&amp; $\\frac{$ </title></style></pre><script>alert(2)</script>"
)


def test_what_users_write_stays_text(tmp_path):
    """In flags, names and signatures of scores, sentences, paths, names of pieces of one's own."""
    workdir = made(tmp_path / "<b>run&", task="text", dataset=f"file:{HOSTILE}", model="lstm", trainer="adversarial")
    signature = {HOSTILE: HOSTILE, "broken": "\ud800\x00\x1b", "warning": HOSTILE}
    for step in (1, 2, 3):
        score_log.add(str(workdir), [dict(step=step, name=HOSTILE, value=step, best="low", signature=signature)])
    (workdir / "own_pieces.json").write_text(json.dumps({"objective": HOSTILE, "strategy": HOSTILE}))
    (workdir / "samples").mkdir()
    (workdir / "samples/00000003.txt").write_bytes(f"{HOSTILE}\nsecond line\xff\x00".encode("latin-1"))
    found = page(workdir)
    assert found.tags["script"] == found.tags["img"] == found.tags["b"] == 0 and found.tags["title"] == 1
    assert found.tags["svg"] == 1 and found.figures == [1, 1, 3]
    seen = " ".join(HOSTILE.split())
    assert found.text.count(seen) >= 10 and "<b>run&/config.flags" in found.text
    assert "broken: \ufffd\ufffd\ufffd" in found.text and "second line\ufffd\ufffd" in found.text


def test_lines_of_the_last_samples(tmp_path):
    style = dict(task="style_transfer", dataset="toy_styles", model="style_transfer")
    workdir = made(tmp_path, **style, trainer="clipped_ratio", update="alternating", steps=9)
    assert "left no samples so far" in page(tmp_path).text  # there is no such folder
    (workdir / "samples").mkdir()
    for step in (3, 6):
        (workdir / f"samples/{step:08d}.txt").write_text("".join(f"line {n} of {step}\n" for n in range(100)))
    found = page(tmp_path)
    assert "Step 6, the last that has samples: line 0 of 6 line 1 of 6" in found.text
    assert "line 39 of 6" in found.text and "line 40 of" not in found.text and "of 3 " not in found.text
    assert "style_transfer: DP-OAdam There are no scores so far." in found.text  # of how many learners nothing tells


def test_pictures_are_spread_and_the_small_ones_are_small(tmp_path):
    (tmp_path / "samples").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (400, 800, 3), np.uint8)
    for step in range(10, 101, 10):
        Image.fromarray(noise).save(tmp_path / f"samples/{step:08d}.png")
    found = samples.pictures(str(tmp_path))
    assert [picture.step for picture in found] == [10, 30, 50, 80, 100]  # places 0, 2.25, 4.5, 6.75, 9 of 9
    assert [(picture.width, picture.height) for picture in found] == [(320, 160)] * 4 + [(800, 400)]
    assert found[0].source.startswith("data:image/jpeg;base64,") and len(found[0].source) < len(found[-1].source) / 4
    assert samples.pictures(str(tmp_path), most=1)[0].step == 10 and samples.pictures(str(tmp_path / "none")) == []


def test_a_folder_that_is_no_workdir(tmp_path):
    done = launch(0, "-m", "tfdgan.report", f"--workdir={tmp_path}", cold=True, check=False)
    wanted = f"error: --workdir={tmp_path}: nothing was trained there (config.flags is missing)\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", wanted)
    assert os.listdir(tmp_path) == []
    with pytest.raises(UserError, match="^workdir is missing"):
        report_command.main(["report"])


def test_where_the_page_can_not_go(tmp_path):
    workdir = made(tmp_path / "run")
    with pytest.raises(UserError, match=r"config.flags: give a name that ends in .html or .htm"):
        report.write(str(workdir), str(workdir / "config.flags"))
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(UserError, match=r"^output=.*folder.html: cannot be written \(Is a directory\)"):
        report.write(str(workdir), str(tmp_path / "folder.html"))
    assert sorted(os.listdir(tmp_path)) == ["folder.html", "run"]
