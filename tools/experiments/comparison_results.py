"""Reads what `tfdgan.compare` has left: results.json, beside the runs."""

import json

from tfdgan.errors import UserError


def first_score(path):
    """The first score of a results.json: {"score": its name, "best": "low", "high" or "", "runs": [...]}.

    A run has "arm", "seed", "learners", "flags", "steps", "values", and its "workdir" beside the file.
    """
    try:
        with open(path) as file:
            score, *_ = json.load(file)
            return {name: score[name] for name in ("score", "best", "runs")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"--results={path}: not readable as the results of a comparison ({error})") from error
