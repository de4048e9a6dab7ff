"""A model under weights that are not its own."""

import keras


def under(model, trainable, non_trainable):
    """A context in which the variables of a built model are these tensors, in the model's own order; what is assigned
    to variables there is dropped."""
    variables = model.trainable_variables + model.non_trainable_variables
    return keras.StatelessScope(state_mapping=list(zip(variables, [*trainable, *non_trainable], strict=True)))


def applied(model, trainable, non_trainable, inputs, training=False):
    """model(inputs) under these weights; unlike Keras' `stateless_call` also where call() takes no `training`."""
    with under(model, trainable, non_trainable):
        return model(inputs, training=training)
