"""How MLflow loads a pushed version. A copy of this file lies in each version's `code/`, so it needs TensorFlow and pandas only.

`mlflow.pyfunc.load_model("models:/LINE@champion").predict(...)` takes a DataFrame with the column `text`
and returns a DataFrame with `label`, `label_id` and `probabilities`, as the signature `classify` gives them.
"""

from pathlib import Path


class Classifier:
    """Answers as `classify` does."""

    def __init__(self, folder: str):
        import tensorflow as tf

        self._model = tf.saved_model.load(folder)

    def predict(self, texts, params=None):
        """texts: DataFrame with `text`, or any sequence of str; returns one row a text."""
        import pandas as pd
        import tensorflow as tf

        column = texts["text"] if isinstance(texts, pd.DataFrame) else texts
        answer = self._model.signatures["classify"](text=tf.constant([str(text) for text in column]))
        return pd.DataFrame(
            {
                "label": [label.decode() for label in answer["label"].numpy()],
                "label_id": answer["label_id"].numpy(),
                "probabilities": answer["probabilities"].numpy().tolist(),
            }
        )


def _load_pyfunc(data_path: str) -> Classifier:
    """MLflow calls this with the folder of the version."""
    return Classifier(str(Path(data_path)))
