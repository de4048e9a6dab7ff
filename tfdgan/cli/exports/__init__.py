"""What the command `export` writes: a folder of a SavedModel, a Keras file, a TFLite file, a model card."""
