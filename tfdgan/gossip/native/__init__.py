"""The exchange in C++: bytes move between neighbours only, and no learner waits for anybody else.

`transport/` is a library without TensorFlow; kernel.cc puts two ops over it; the rest builds, starts and calls it.
"""
