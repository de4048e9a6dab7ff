"""Options of the nets that all tasks share."""

import dataclasses

from tfdgan.options import Options, option


@dataclasses.dataclass(frozen=True)
class ModelOptions(Options):
    """Nets: architecture, widths, precision."""

    model: str = option(
        "dcgan",
        "Images: dcgan, resnet, ct_resnet, sagan, r3gan or mlp. Text: relational_memory or lstm. Style transfer: "
        "style_transfer. Any task: package.module:factory, a function (options, sample_shape) -> (generator, critic), "
        "called with the number of classes as a third argument by --conditional and by style transfer.",
    )
    width_g: int = option(
        64,
        "Width of the generator: channels of the last hidden layer, units (mlp, lstm, style_transfer), size of a "
        "head (relational_memory).",
        minimum=1,
    )
    width_d: int = option(
        64,
        "Width of the critic: channels of the first layer, units (mlp), filters of a convolution (text, "
        "style_transfer).",
        minimum=1,
    )
    precision: str = option(
        "float32",
        "Type in which nets compute; under bfloat16 weights, statistics and losses stay float32.",
        choices=("float32", "bfloat16"),
    )

    def unused_options(self) -> dict[str, str]:
        return dict.fromkeys(("width_g", "width_d"), self.as_flag("model")) if self.model == "given" else {}
