"""A model that one set of packages exports answers the same in the other: each family at toy size.

.venv/bin/python tests/cross_set.py write FOLDER      exports a model of each family, with its answers
.venv/bin/python tests/cross_set.py compare FOLDER    asks the models in FOLDER; exits 1 where an answer differs by 1e-5
"""

import json
import sys
from pathlib import Path

import components  # noqa: F401  # first of all: it sets what TensorFlow reads at its import

# isort: split
import numpy as np

from components.training import export

LIMIT = 1e-5
TEXTS = [
    "troops at the border",
    "striker scores a goal, coach happy",
    "oil shares",
    "a robot on a chip",
    "",
    "unheard-of words",
]


def versions() -> str:
    import tensorflow as tf

    return f"Python {sys.version.split()[0]}, TensorFlow {tf.__version__}, numpy {np.__version__}"


def write(folder: Path) -> int:
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "components" / "models")]
    import encoder_kit
    import test_contract as contract

    folder.mkdir(parents=True, exist_ok=True)
    address = encoder_kit.huggingface(folder / "encoder")
    answers = {}
    for name, toy in sorted(contract.TOYS.items()):
        if "encoder" in toy:
            toy["encoder"] = address
        model, tokenizer, _ = contract.fit(name, folder / "work" / name)
        export.export(folder / name, tokenizer, model, contract.LABELS)
        answers[name] = export.predict(folder / name, TEXTS).tolist()
    (folder / "answers.json").write_text(json.dumps({"by": versions(), "answers": answers}))
    print(f"wrote {', '.join(answers)} with {versions()}")
    return 0


def compare(folder: Path) -> int:
    written = json.loads((folder / "answers.json").read_text())
    print(f"written by {written['by']}\nasked by   {versions()}")
    worst = {}
    for name, expected in written["answers"].items():
        worst[name] = float(np.abs(export.predict(folder / name, TEXTS) - np.array(expected)).max())
        print(f"{name:14} {len(TEXTS)} texts, largest difference {worst[name]:.1e}, limit {LIMIT:.0e}")
    return int(not all(difference < LIMIT for difference in worst.values()))


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("write", "compare"):
        sys.exit(__doc__)
    sys.exit({"write": write, "compare": compare}[sys.argv[1]](Path(sys.argv[2])))
