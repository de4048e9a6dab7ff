"""A workdir -> one HTML file."""

import os

from tfdgan.cli.reports import charts, page, run
from tfdgan.errors import UserError
from tfdgan.storage import files

NAME = "report.html"


def write(workdir: str, output: str) -> str:
    """Write the page about the run of a workdir. Returns a line that says what was written.

    Args:
      output: the file, which is written anew if it is there; "" stands for report.html in the workdir.

    Raises:
      UserError: nothing was trained there, or the file cannot be written.
    """
    path = output or os.path.join(workdir, NAME)
    if not path.endswith((".html", ".htm")):
        raise UserError(f"--output={path}: give a name that ends in .html or .htm")
    found = run.read(workdir, charts.names())
    try:
        files.write_text(path, page.html(found))
    except OSError as error:
        raise UserError(f"--output={path}: cannot be written ({error.strerror})") from error
    size = os.path.getsize(path) / 1e6
    return f"{path}: the run of {workdir}, {found.steps_done} of {found.options.steps} steps; {size:.2g} MB"
