"""A page about a run, for somebody who has never seen the run: the command `python -m tfdgan.report`."""
