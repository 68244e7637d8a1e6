"""fastText on rows that `yardsticks.py` wrote; runs in an environment of its own, with nothing of this project.

    python fasttext_peer.py FOLDER SETTINGS

FOLDER holds `train.txt` in fastText's form and `eval.txt`, `test.txt`, `clean.txt`, a text a line; `<name>.npy` of probabilities
float[rows, classes] comes beside them. SETTINGS: JSON of `train_supervised`'s. Prints `seconds` (processor time of the training),
`p50` (ms a text) and `size` (MB) as JSON.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import fasttext
import numpy as np

ASKED = 200  # texts asked one by one


def main(folder: Path, settings: dict) -> None:
    used = time.process_time()
    model = fasttext.train_supervised(str(folder / "train.txt"), verbose=0, **settings)
    used = time.process_time() - used
    order = sorted(model.labels, key=lambda label: int(label.removeprefix("__label__")))
    for name in ("eval", "test", "clean"):
        texts = (folder / f"{name}.txt").read_text(encoding="utf-8").split("\n")
        rows = np.zeros((len(texts), len(order)))
        for row, text in enumerate(texts):
            for label, share in zip(*model.predict(text, k=len(order)), strict=True):
                rows[row, order.index(label)] = share
        np.save(folder / f"{name}.npy", rows)
    taken = []
    for text in texts[:ASKED]:
        started = time.perf_counter()
        model.predict(text)
        taken.append((time.perf_counter() - started) * 1000)
    model.save_model(str(folder / "model.bin"))
    size = (folder / "model.bin").stat().st_size / 1e6
    print(json.dumps({"seconds": used, "p50": statistics.median(taken), "size": size}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
