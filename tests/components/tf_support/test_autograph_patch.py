"""AutoGraph leaves Keras's own source alone and goes on converting what is written here."""

import components  # noqa: F401, it sets what TensorFlow reads at its own import

# isort: split
import tensorflow as tf
import tf_keras
from tensorflow.python.autograph.core import config
from tensorflow.python.autograph.impl import conversion

from components.networks.layers import Pooling
from components.tf_support import autograph_patch


def test_keras_s_source_is_left_alone_and_ours_is_not():
    autograph_patch.exclude_keras_from_autograph()
    assert conversion.is_allowlisted(tf_keras.layers.Dense.call)
    assert not conversion.is_allowlisted(Pooling.call)


def test_asking_twice_adds_nothing():
    autograph_patch.exclude_keras_from_autograph()
    before = config.CONVERSION_RULES
    autograph_patch.exclude_keras_from_autograph()
    assert before == config.CONVERSION_RULES


def test_control_flow_of_a_layer_of_ours_still_becomes_part_of_the_graph():
    autograph_patch.exclude_keras_from_autograph()

    class Gate(tf_keras.layers.Layer):
        def call(self, values):
            if tf.reduce_sum(values) > 0:
                return values
            return -values

    @tf.function
    def ask(values):
        return gate(values)

    gate = Gate()
    assert ask(tf.constant([-2.0])).numpy().tolist() == [2.0]
    assert ask(tf.constant([2.0])).numpy().tolist() == [2.0]
