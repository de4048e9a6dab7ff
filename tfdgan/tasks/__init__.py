"""What is generated: a folder for each task, and the contracts `Task` and `Sampler` in `base`.

A task brings together the data, models, feeding, scores, pictures and exported functions of one kind of sample. Names
are loaded when they are first used, so that flags can be checked before TensorFlow is there.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
