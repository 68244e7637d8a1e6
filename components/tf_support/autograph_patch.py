"""Keeps AutoGraph from rewriting Keras's own source, which it needs only for code of ours. Private API of TensorFlow: this file, one test.

TensorFlow's list of packages to leave alone names `keras`, as which Keras 2 was once installed, and not `tf_keras`. Rewriting that
took 19 of 26 CPU-seconds of a small training, for the same weights to the last bit.
"""

from tensorflow.python.autograph.core import config, config_lib

PACKAGE = "tf_keras"


def spare_keras() -> None:
    """Adds the package to the list, once."""
    rules = [rule for rule in config.CONVERSION_RULES if isinstance(rule, config_lib.DoNotConvert)]
    if not any(rule.matches(PACKAGE) for rule in rules):
        config.CONVERSION_RULES = (config_lib.DoNotConvert(PACKAGE), *config.CONVERSION_RULES)
