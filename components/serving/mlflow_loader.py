"""Loads a pushed version for MLflow. Each version has a copy of this file in `code/`, so it needs TensorFlow and pandas only.

`mlflow.pyfunc.load_model("models:/LINE@champion").predict(...)` takes a DataFrame with the column `text`
and returns a DataFrame with `label`, `label_id` and `probabilities`, as the signature `classify` gives them.
"""

BATCH = 512  # rows a call into the graph; limits a large model's memory


class Classifier:
    """Answers as `classify` does."""

    def __init__(self, folder: str):
        import contextlib

        import tensorflow as tf

        with contextlib.suppress(ImportError):  # only WordPiece tokenizers need its operations
            import tensorflow_text  # noqa: F401
        self._model = tf.saved_model.load(folder)

    def predict(self, texts, params=None):
        """texts: DataFrame with `text`, or any sequence of str; returns one row a text."""
        import pandas as pd
        import tensorflow as tf

        column = [str(text) for text in (texts["text"] if isinstance(texts, pd.DataFrame) else texts)]
        rows = {"label": [], "label_id": [], "probabilities": []}
        for start in range(0, len(column), BATCH):
            raw = [text.encode("utf-8", "replace") for text in column[start : start + BATCH]]
            answer = self._model.signatures["classify"](text=tf.constant(raw))
            rows["label"] += [label.decode() for label in answer["label"].numpy()]
            rows["label_id"] += answer["label_id"].numpy().tolist()
            rows["probabilities"] += answer["probabilities"].numpy().tolist()
        return pd.DataFrame(rows)


def _load_pyfunc(data_path: str) -> Classifier:
    """MLflow calls this with the folder of the version."""
    return Classifier(str(data_path))
