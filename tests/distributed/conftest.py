"""Every learner runs these tests in step; a failure on one ends the job."""

from tfdgan import distributed

distributed.start(process_sets=True)
