"""The model card: what a person who finds the exported folder wants to know."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfdgan.cli import flagfiles
from tfdgan.options import flag, paths
from tfdgan.storage import png
from tfdgan.tasks.options import TaskOptions

NAME, LABELS = "README.md", "labels.txt"
_PICTURE, _TEXT_LINES, _NAMES, _CHARACTERS = "samples.png", 20, 20, 40


@dataclasses.dataclass(frozen=True)
class Exported:
    """What the card tells about.

    Attributes:
      options: of the run.
      manifest: of the checkpoint.
      step: of the checkpoint.
      label: what the weights are.
      samples: a picture, uint8 [h, w, 1 or 3], or lines of text; None if there is no way to show some.
      scores: records of this step, as `scores.jsonl` has them.
      signatures: {name: concrete function}.
      keras_modules: to import before the Keras file is loaded; None if there is no Keras file.
      no_keras: why there is none.
      has_tflite: whether there is a TFLite file.
    """

    options: TaskOptions
    manifest: Mapping[str, Any]
    step: int
    label: str
    samples: Any
    scores: Sequence[Mapping[str, Any]]
    signatures: Mapping[str, Any]
    keras_modules: Sequence[str] | None
    no_keras: str | None
    has_tflite: bool


def write(exported: Exported, folder: str) -> list[str]:
    """Write the card, the picture that it shows and the names of classes to `folder`. Returns the files' names."""
    samples, written = "", [NAME]
    if isinstance(exported.samples, str):
        lines = exported.samples.splitlines()[:_TEXT_LINES]
        samples = "\n".join(f"    {line}" for line in lines)
    elif exported.samples is not None:
        with open(os.path.join(folder, _PICTURE), "wb") as file:
            file.write(png.to_png(exported.samples))
        samples = f"![generated samples]({_PICTURE})"
        written.append(_PICTURE)
    if names := exported.manifest.get("class_names"):
        with open(os.path.join(folder, LABELS), "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in _lines(names))
        written.append(LABELS)
    parts = [_head(exported), samples, _loading(exported), _data(exported), _scores(exported), _configuration(exported)]
    with open(os.path.join(folder, NAME), "w", encoding="utf-8") as file:
        file.write("\n\n".join(part for part in parts if part) + "\n")
    return written


def _head(exported: Exported) -> str:
    options, manifest = exported.options, exported.manifest
    learners = manifest.get("learners")  # which older runs' best checkpoints do not say
    library = "tensorflow" if exported.keras_modules is None else "keras"
    by = "" if learners is None else f" on {learners} learners" if learners > 1 else " on one learner"
    return (
        f"---\nlibrary_name: {library}\ntags:\n- generative-adversarial-network\n- tfdgan\n---\n\n"
        f"# {options.task}: {_without_path(options.dataset)}, {_without_path(options.model)}\n\n"
        f"A generator (`--task={options.task}`), trained by tfdgan {manifest.get('tfdgan', '')}{by} "
        f"(`--strategy={options.strategy}`). It is the generator after {exported.step} of {options.steps} steps; "
        f"weights: {exported.label}. Written with TensorFlow {tf.__version__}."
    )


def _loading(exported: Exported) -> str:
    lines = ["## Loading", "", "The SavedModel needs TensorFlow alone. Signatures:", ""]
    for name, function in sorted(exported.signatures.items()):
        arguments = tf.nest.flatten(function.structured_input_signature)
        specs = [spec for spec in arguments if isinstance(spec, tf.TensorSpec)]
        inputs = ", ".join(f"{spec.name} {spec.dtype.name} {_shape(spec)}" for spec in specs)
        outputs = ", ".join(sorted(function.structured_outputs))
        lines.append(f"* `{name}({inputs})` -> `{outputs}`")
    lines += ["", *_code("import tensorflow as tf", "", 'model = tf.saved_model.load("PATH OF THIS FOLDER")')]
    if "serving_default" in exported.signatures:
        values = "; images are floats in [-1, 1]" if len(exported.manifest["sample_shape"]) == 3 else ""
        lines += ["", f"Latents are standard normal{values}."]
    if classes := exported.manifest.get("classes"):
        lines += [f"Labels are whole numbers from 0 to {classes - 1}{_named(exported.manifest)}."]
    if "sample" in exported.signatures:
        lines += ["`model.sample(...)` is `sample` for numbers of Python, int32 and int64, by place or by name."]
    if exported.keras_modules is not None:
        needed = [f"import {module}" for module in exported.keras_modules]
        lines += ["", "`generator.keras` is the net alone:", ""]
        lines += _code("import keras", *needed, "", 'generator = keras.saving.load_model("generator.keras")')
    else:
        lines += ["", f"There is no `generator.keras`: {exported.no_keras}."]
    if exported.has_tflite:
        lines += ["", "`generator.tflite` is `serving_default` for TFLite, float32, of one sample a call."]
    return "\n".join(lines)


def _named(manifest: Mapping[str, Any]) -> str:
    """What is said of the classes' names; nothing if they are not known."""
    names = _lines(manifest.get("class_names") or [])
    shown = ", ".join(f"{number} = `{name[:_CHARACTERS]}`" for number, name in enumerate(names[:_NAMES]))
    more = ", ..." if len(names) > _NAMES else ""
    return f" (`{LABELS}` has their names, a line each): {shown}{more}" if names else ""


def _lines(names: Sequence[str]) -> list[str]:
    """Each name as one line that can be written anywhere."""
    return [" ".join(name.splitlines()).encode(errors="backslashreplace").decode() for name in names]


def _data(exported: Exported) -> str:
    options, manifest = exported.options, exported.manifest
    facts = [f"`{_without_path(options.dataset)}`, samples of shape {'x'.join(map(str, manifest['sample_shape']))}"]
    if classes := manifest.get("classes"):
        facts.append(f"{classes} classes")
    facts.append(f"divided among learners `{options.partition}`")
    return f"## Data\n\n{'; '.join(facts)}. The generator knows nothing beyond these data, and may repeat some of them."


def _scores(exported: Exported) -> str:
    if not exported.scores:
        return f"## Scores\n\nNone were made at step {exported.step}."
    rows = []
    for record in exported.scores:
        spread = f" +- {record['spread']:.4g}" if record.get("spread") else ""
        value = "NaN" if record["value"] is None else f"{record['value']:.4g}"
        signature = "; ".join(f"{name}: {said}" for name, said in record["signature"].items())
        cells = (record["name"], f"{value}{spread}", signature)
        rows.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    table = "\n".join(["| score | value | signature |", "|---|---|---|", *rows])
    return f"## Scores\n\nCompare only numbers of one signature.\n\n{table}"


def _configuration(exported: Exported) -> str:
    """The options that are not the defaults, without those of one machine."""
    kept, idle = flagfiles.values(exported.options, ignore="local"), exported.options.without_effect()
    defaults = {field.name: field.default for field in dataclasses.fields(exported.options)}
    lines = []
    for name, value in sorted(kept.items()):
        if value != defaults[name] and name not in idle:
            shown = _without_path(value) if isinstance(value, str) else value
            lines.append(flag(name, shown))
    return "\n".join(["## Configuration", "", "Options that are not the defaults:", "", *_code(*lines, kind="")])


def _code(*lines: str, kind: str = "python") -> list[str]:
    return [f"```{kind}", *lines, "```"]


def _shape(spec: tf.TensorSpec) -> str:
    return str(["n" if length is None else length for length in spec.shape.as_list()]).replace("'", "")


def _without_path(text: str) -> str:
    """A text without the folders of a path in it: they say nothing on another machine."""
    kind = next((f"{kind}:" for kind in paths.KINDS if text.startswith(f"{kind}:")), "")
    return kind + os.path.basename(text.removeprefix(kind).rstrip("/"))
