"""Options of the task image."""

import dataclasses
import os

from tfdgan.data.form import WAYS, Form, colour_of, size_of
from tfdgan.errors import UserError
from tfdgan.options import option, references
from tfdgan.tasks.options import GenerateOptions, TaskOptions

MODELS = ("dcgan", "resnet", "ct_resnet", "sagan", "r3gan", "mlp", "given")
_AUGMENTATIONS = ("flip", "diffaug")
_MADE_HERE = ("gaussians", "digits", "given")  # given: passed in from Python
_OF_SENTENCES = {"oracle": "text", "coco_captions": "text", "toy_styles": "style_transfer"}


@dataclasses.dataclass(frozen=True)
class ImageOptions(TaskOptions):
    """Images: sizes, labels, the extractor (image)."""

    image_size: str = option(
        "0",
        "Size to which images are brought: a side, as 64, or HEIGHTxWIDTH, as 96x64; 0 keeps the size of the dataset.",
    )
    resize: str = option(
        "crop",
        "How images of other proportions are fitted: crop cuts off what is too long, half on each side; pad adds the "
        "background; squash changes the proportions.",
        choices=WAYS,
    )
    channels: int = option(
        0, "1 for grey images, 3 for colours; 0 keeps what images have, in a folder 1 if all are grey.", minimum=0
    )
    background: str = option(
        "white", "Colour behind transparent pixels of a folder's images, and around padded ones: a name or #rrggbb."
    )
    cache_mb: float = option(
        1024.0,
        "Memory of a learner for decoded images of a folder, in MB: what does not fit is decoded each time.",
        minimum=0,
        local=True,
    )
    split: str = option(
        "train", "Split of a folder or a TFDS set that is learned from, or a slice of the latter, as 'train[:1000]'."
    )
    eval_split: str = option(
        "",
        "Split of a folder or a TFDS set that generated images are compared with, as 'test'; empty: --split.",
        free=True,
    )
    feature: str = option("image", "Feature of the records of --dataset=tfrecord:PATH that holds an encoded image.")
    label_feature: str = option(
        "", "Feature of the records of --dataset=tfrecord:PATH that holds a class, a whole number; empty: none."
    )
    augment: str = option(
        "",
        "Augmentation of real and generated images alike for the critic, where images are few: flip, diffaug (colour, "
        "translation, cutout), or both with a comma; empty: none.",
    )
    latent_size: int = option(100, "Length of the generator's standard normal input.", minimum=1)
    spectral_normalization: str = option(
        "none",
        "Which nets of resnet are spectrally normalised; sagan normalises both.",
        choices=("none", "critic", "both"),
    )
    initial_weights: str = option(
        "he",
        "Initial kernels of ct_resnet: he, by their inputs, or released, as in the ratio-clipping paper's code.",
        choices=("he", "released"),
    )
    conditional: bool = option(
        False, "Train on labels too, so that samples of a class can be asked for (resnet, sagan, your own)."
    )
    inception: str = option(
        "", "SavedModel with outputs pool_3 and logits, by which images are scored.", local=True, path=True
    )

    def __post_init__(self) -> None:
        if type(self.image_size) is int:  # a side, in Python
            object.__setattr__(self, "image_size", str(self.image_size))
        if set(self.augmentations) <= set(_AUGMENTATIONS):  # each once, in the order in which they are applied
            kinds = (kind for kind in _AUGMENTATIONS if kind in self.augmentations)
            object.__setattr__(self, "augment", ",".join(kinds))
        super().__post_init__()

    def check_options(self) -> None:
        if not self.is_for("image"):
            return
        self._check_names()
        if self.pretraining_steps:
            raise UserError(
                f"--pretraining_steps={self.pretraining_steps}: only sentences are pretrained (--task=text, "
                "--task=style_transfer)"
            )
        self.form  # noqa: B018, raises an error if it cannot be read
        if self.channels not in (0, 1, 3):
            raise UserError(f"--channels={self.channels}: give 1 or 3, or leave it out")
        self._check_augment()
        arrays = self.dataset in _MADE_HERE or self.dataset.startswith("array:")
        if self.model == "mlp" and not arrays and not references.is_reference(self.dataset):
            raise UserError(
                f"--model=mlp: made for gaussians, digits, array:PATH and your own data, not for "
                f"--dataset={self.dataset}"
            )
        if self.consistency and self.model in ("dcgan", "resnet", "sagan", "r3gan", "mlp"):
            raise UserError(
                f"--consistency={self.consistency:g}: --model={self.model} has no dropout and no layer called "
                "features; use --model=ct_resnet"
            )
        if self.conditional and self.model in ("dcgan", "ct_resnet", "r3gan", "mlp"):
            raise UserError(f"--conditional: --model={self.model} takes no labels; use resnet, sagan or your own")
        if self.dataset != "gaussians":
            return
        if self.inception:
            raise UserError(f"--inception={self.inception}: scores images, not --dataset=gaussians; leave it out")
        if self.model not in ("mlp", "given") and not references.is_reference(self.model):
            raise UserError(f"--model={self.model}: made for images, not for --dataset=gaussians; use --model=mlp")

    def _check_augment(self) -> None:
        if unknown := [kind for kind in self.augmentations if kind not in _AUGMENTATIONS]:
            raise UserError(f"--augment={self.augment}: no {unknown[0]!r}; choose of {', '.join(_AUGMENTATIONS)}")
        if self.augment and self.consistency:
            why = "each of the two passes would see the images augmented in another way"
            raise UserError(f"--augment={self.augment}: not with --consistency={self.consistency:g}: {why}")
        if self.augment and self.model == "mlp":
            raise UserError(f"--augment={self.augment}: is for images, which --model=mlp does not look at as such")
        if self.augment and (self.model == "given" or references.is_reference(self.model)):
            raise UserError(
                f"--augment={self.augment}: your own critic begins with it instead: "
                "tfdgan.models.augmentation.Augmentation"
            )

    @property
    def augmentations(self) -> tuple[str, ...]:
        """What `augment` names."""
        return tuple(kind.strip() for kind in self.augment.split(",") if kind.strip())

    def _check_names(self) -> None:
        if self.model not in MODELS and not references.is_reference(self.model):
            named = ", ".join(name for name in MODELS if name != "given")  # a word for what Python passes in
            raise UserError(f"--model={self.model}: choose one of {named}, or package.module:factory")
        own = [_OF_SENTENCES[self.dataset]] if self.dataset in _OF_SENTENCES else []
        tasks = ["text", "style_transfer"] if self.dataset.startswith("file:") else own
        if tasks:
            other = f"images, or --task={' or --task='.join(tasks)}"
            raise UserError(f"--dataset={self.dataset}: not for --task=image; give {other}")
        if references.is_reference(self.dataset):
            references.check("dataset", self.dataset)

    def unused_options(self) -> dict[str, str]:
        if not self.is_for("image"):
            return dict.fromkeys(set(ImageOptions.own_names()) - {"conditional", "inception"}, self.as_flag("task"))
        found = set()
        own_data = references.is_reference(self.dataset)
        if self.dataset in ("gaussians", "given") or own_data:
            found |= {"image_size", "channels", "resize"}
        if not self.dataset.startswith("folder:"):
            found |= {"cache_mb"}
        pads = self.resize == "pad" and self.form.size and "resize" not in found
        if not (self.dataset.startswith(("folder:", "tfrecord:")) or pads):
            found |= {"background"}
        is_file = self.dataset.startswith(("array:", "tfrecord:"))
        if self.dataset in _MADE_HERE or is_file or own_data:
            found |= {"split", "eval_split"}
        if "split" in found or self.dataset.startswith("folder:"):
            found |= {"data_dir"}
        if not self.dataset.startswith("tfrecord:"):
            found |= {"feature", "label_feature"}
        whys = {} if self.form.size else {"resize": self.as_flag("image_size")}
        whys |= dict.fromkeys(found, self.as_flag("dataset"))
        if not references.is_reference(self.model):
            whys |= {} if self.model == "resnet" else {"spectral_normalization": self.as_flag("model")}
            whys |= {} if self.model == "ct_resnet" else {"initial_weights": self.as_flag("model")}
        return whys

    @property
    def form(self) -> Form:
        """What images are brought to. Raises `UserError` if a size or a colour cannot be read."""
        try:
            size = size_of(self.image_size)
        except ValueError as error:
            raise UserError(f"--image_size={self.image_size}: give a side, as 64, or HEIGHTxWIDTH, as 96x64") from error
        try:
            colour = colour_of(self.background)
        except ValueError as error:
            raise UserError(f"--background={self.background}: no colour; give a name, as white, or #rrggbb") from error
        return Form(size, self.resize, self.channels, colour)

    def check_files(self) -> None:
        super().check_files()
        if self.dataset.startswith("array:"):
            if not os.path.isfile(self.dataset.removeprefix("array:")):
                raise UserError(f"--dataset={self.dataset}: no such file")
        if self.dataset.startswith("folder:"):
            path = self.dataset.removeprefix("folder:")
            if not os.path.isdir(path) and not (path.lower().endswith(".zip") and os.path.isfile(path)):
                raise UserError(f"--dataset={self.dataset}: no such folder, and no such .zip file")
        self.check_judges()

    def check_judges(self) -> None:
        """Raise `UserError` if the extractor is no SavedModel."""
        if self.inception and not os.path.isfile(os.path.join(self.inception, "saved_model.pb")):
            raise UserError(f"--inception={self.inception}: no SavedModel there (saved_model.pb is missing)")


@dataclasses.dataclass(frozen=True)
class ImageGenerateOptions(GenerateOptions):
    """Options of the command `generate`: images, points."""

    num: int = option(
        64, "How many samples; with --layout=interpolation how many paths, with classes samples of each.", minimum=1
    )
    seed: int = option(0, "Seed of the samples.", minimum=0)
    layout: str = option(
        "grid",
        "grid; interpolation: a path from one latent to another in each row; classes: each class in a row, with the "
        "same latents in each column; neighbours: each sample beside the real ones nearest to the sample.",
        choices=("grid", "interpolation", "classes", "neighbours"),
    )
    neighbours: int = option(0, "Real samples in a row of --layout=neighbours; 0 stands for 7.", minimum=0)
    inception: str = option(
        "",
        "SavedModel by whose features --layout=neighbours compares, if not the one of training; without an "
        "extractor pixels are compared.",
        path=True,
    )
    data_dir: str = option("", "Folder of the data of --layout=neighbours, if not the folder of training.", path=True)
    dataset: str = option(
        "",
        "The data of --layout=neighbours, if they lie elsewhere now, as folder:PATH or of the kind that they had.",
        path=True,
    )
    frames: int = option(0, "Samples along a path of --layout=interpolation, at least 2; 0 stands for 8.", minimum=0)
    label: str = option(
        "",
        "Class of all samples: a name or, if no class is named by a number, a number from 0 on; empty takes each "
        "class in turn.",
    )
    truncation: float = option(
        0.0,
        "Largest number in a latent: fewer kinds of samples, fewer bad ones; 0 leaves latents as they are.",
        minimum=0,
    )

    def __post_init__(self) -> None:
        if type(self.label) is int:  # in Python
            object.__setattr__(self, "label", str(self.label))
        if self.label == "-1":  # the default before classes had names
            object.__setattr__(self, "label", "")
        super().__post_init__()

    def check_options(self) -> None:
        if self.layout == "classes" and self.label:
            raise UserError(f"--label={self.label}: --layout=classes shows every class; leave it out")
        if self.layout != "interpolation" and self.frames:
            raise UserError(f"--frames={self.frames}: only --layout=interpolation has them")
        if self.frames == 1:
            raise UserError("--frames=1: a path needs at least 2")
        if self.layout != "neighbours":
            for name in ("neighbours", "inception", "data_dir", "dataset"):
                if value := getattr(self, name):
                    raise UserError(f"--{name}={value}: only --layout=neighbours looks at real samples")
        self.check_output(".png", ".npz")
