"""Newsdesk's TFX components, the nodes (one file each) and the packages that they use."""

import os

# hub.KerasLayer and transformers' TensorFlow classes need Keras 2; TensorFlow reads this variable once, at its import.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
# Hides TensorFlow's start-up messages about missing GPUs.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Libraries must not report usage to anybody.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
