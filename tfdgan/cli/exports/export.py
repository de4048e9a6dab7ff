"""A checkpoint's generator -> the exported folder."""

from tfdgan.cli.exports import keras_file, model_card, saved_model
from tfdgan.cli.exports.model_card import Exported
from tfdgan.cli.workdir import Workdir
from tfdgan.training import score_log


def write(path: str, step: str | None, output: str, *, tflite: bool) -> list[str]:
    """Write the consensus generator of a workdir to the new folder `output`. Returns lines that say what was written.

    Args:
      path: of the workdir.
      step: as `Workdir.find` takes it.
      tflite: whether a TFLite file is written too.

    Raises:
      UserError: there is something at `output`, or no TFLite file can be made.
    """
    saved_model.check_free(output)
    workdir = Workdir(path)
    found, stored, manifest = workdir.find(step)
    sampler = workdir.sampler(stored, manifest)
    module = workdir.task.module(sampler)
    signatures, converted = module.signatures(), None
    if tflite:
        from tfdgan.cli.exports import tflite as tflite_file

        converted = tflite_file.convert(module, signatures)
    written = ["SavedModel"]
    remarks = []

    def beside(folder: str) -> None:
        samples = None if workdir.task.shows_data else workdir.task.show(sampler)
        no_keras = keras_file.write(sampler, folder)
        if no_keras:
            remarks.append(f"note: no {keras_file.NAME}: {no_keras}")
        else:
            written.append(keras_file.NAME)
        if converted is not None:
            tflite_file.write(converted, folder)
            written.append(tflite_file.NAME)
        card = Exported(
            workdir.options,
            manifest,
            found,
            sampler.label,
            samples,
            [record for record in score_log.read(path) if record["step"] == found],
            signatures,
            None if no_keras else keras_file.modules(sampler.generator),
            no_keras,
            converted is not None,
        )
        written.extend(model_card.write(card, folder))

    saved_model.write(module, signatures, output, [beside])
    names = " and ".join(sorted(signatures, reverse=True))
    return [
        f"{output}: the generator of step {found}, {sampler.label}; signature(s) {names}",
        f"{output}: {', '.join(written)}",
        *remarks,
    ]
