"""Architectures, one a file: functions of sizes that return Keras models, built."""
