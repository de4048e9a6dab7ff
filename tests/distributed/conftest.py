"""Every learner runs these tests in step; a failure on one ends the job."""

from tfdgan.distributed import job

job.start(process_sets=True)
