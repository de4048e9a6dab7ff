"""Options of the data."""

import dataclasses

from tfdgan.options import Options, option


@dataclasses.dataclass(frozen=True)
class DataOptions(Options):
    """Data: what is learned from, and which learner sees which part."""

    dataset: str = option(
        "cifar10",
        "Images: gaussians, digits, the name of a TFDS image set, folder:PATH (a folder or a .zip file of images, "
        "flat or a folder each class, with a folder train or without), array:PATH (.npy or .npz of images or points), "
        "tfrecord:PATH (a file, a folder or a pattern), or package.module:function returning arrays or a "
        "tf.data.Dataset. Text: oracle, coco_captions (train.txt and test.txt in DATA_DIR/coco_captions), or "
        "file:PATH (a file, or a folder of train.txt and test.txt). Style transfer: toy_styles, or file:PREFIX "
        "(PREFIX.train.0, PREFIX.train.1, ..., PREFIX.dev.0, ...).",
        path=True,
    )
    data_dir: str = option(
        "",
        "Folder of prepared TFDS sets, TFDS_DATA_DIR or the default of TFDS if empty; for coco_captions the folder "
        "in which coco_captions lies.",
        local=True,
        path=True,
    )
    partition: str = option(
        "iid",
        "How samples are divided among learners: iid, or by_label (sorted by label, then cut into equal pieces).",
        choices=("iid", "by_label"),
    )
