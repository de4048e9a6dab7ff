"""Decentralised training of generative adversarial networks with Keras and Horovod."""

__version__ = "0.1.0"
