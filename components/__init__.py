"""Newsdesk's TFX components, one file a node, in the order of the flow."""

import os

# Keras 2 is what hub.KerasLayer and transformers' TensorFlow classes need; TensorFlow reads this once, at its import.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
# TensorFlow's start-up chatter about absent GPUs hides a node's own log.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Nothing leaves this machine unasked.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
