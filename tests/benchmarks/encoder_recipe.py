"""Recipes for fine-tuning MiniLM beside the linear model, measured with PyTorch on a GPU: what `bert-finetuned` costs hours
for on two cores takes seconds there. A measure of the recipe, not of the product's own code.

    python3 tests/benchmarks/encoder_recipe.py FOLDER choose|final OUTPUT [--workers 8] [--rows 500]

FOLDER holds what `encoder_rows.py` wrote. `choose` trains each recipe on four fifths of the train rows, keeps the epoch that is
best on eval, fits the two weights of encoder and linear part on eval, and scores the held-out fifth. `final` trains the chosen
recipes on all train rows with three seeds and scores the test rows. One JSON line a run goes to OUTPUT. Needs torch, numpy, scipy.
"""

import argparse
import json
import math
import multiprocessing
import queue
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import minimize
from scipy.special import log_softmax

CLASSES, END_ID, MASK_ID, HEADS, WIDTH = 4, 102, 103, 12, 384
USUAL = {
    "layers": 6, "rate": 1e-4, "epochs": 3, "batch": 64, "length": 96, "embeddings": False, "inner_dropout": 0.0,
    "dropout": 0.1, "word_dropout": 0.1, "decay": 0.01, "smoothing": 0.1, "warmup": 0.1, "clip": 1.0, "seed": 1,
}  # fmt: skip
CHOICES = [
    {}, {"rate": 2e-4}, {"rate": 5e-5}, {"epochs": 5}, {"epochs": 2}, {"embeddings": True},
    {"rate": 2e-4, "batch": 128}, {"inner_dropout": 0.1}, {"length": 64}, {"rate": 2e-4, "epochs": 2},
    {"epochs": 4, "rate": 2e-4, "inner_dropout": 0.1}, {"epochs": 5, "rate": 2e-4, "embeddings": True, "inner_dropout": 0.1},
    {"layers": 3}, {"layers": 3, "rate": 2e-4}, {"layers": 3, "rate": 4e-4}, {"layers": 3, "rate": 2e-4, "epochs": 2},
    {"layers": 2, "rate": 2e-4}, {"layers": 2, "rate": 4e-4}, {"epochs": 1}, {"rate": 2e-4, "epochs": 1},
    {"layers": 3, "rate": 2e-4, "epochs": 5}, {"length": 128},
]  # fmt: skip


class Encoder(torch.nn.Module):
    """BERT's first layers with the file's weights, mean of the real tokens, dropout, dense."""

    def __init__(self, weights: dict, layers: int, inner_dropout: float, dropout: float):
        super().__init__()
        embedded = {name.partition("embeddings.")[2]: value for name, value in weights.items() if "embeddings." in name}
        self.words, self.places = (
            torch.nn.Parameter(_tensor(embedded[f"{name}_embeddings.weight"])) for name in ("word", "position")
        )
        self.kind = torch.nn.Parameter(_tensor(embedded["token_type_embeddings.weight"][0]))
        self.norm = _norm(embedded["LayerNorm.weight"], embedded["LayerNorm.bias"])
        self.layers = torch.nn.ModuleList(_Layer(weights, number, inner_dropout) for number in range(layers))
        self.inner_dropout, self.dropout = inner_dropout, dropout
        self.head = torch.nn.Linear(WIDTH, CLASSES)

    def forward(self, ids):
        mask = ids != 0
        values = self.words[ids] + self.places[: ids.shape[1]] + self.kind
        values = F.dropout(self.norm(values), self.inner_dropout, self.training)
        for layer in self.layers:
            values = layer(values, mask[:, None, None, :])
        weights = mask[..., None].to(values.dtype)
        pooled = (values * weights).sum(1) / weights.sum(1)
        return self.head(F.dropout(pooled.float(), self.dropout, self.training))


class _Layer(torch.nn.Module):
    def __init__(self, weights: dict, number: int, dropout: float):
        super().__init__()
        mark = f"encoder.layer.{number}."
        own = {name.split(mark)[1]: value for name, value in weights.items() if mark in name}

        def dense(name):
            layer = torch.nn.Linear(*own[f"{name}.weight"].shape[::-1])
            layer.weight.data, layer.bias.data = _tensor(own[f"{name}.weight"]), _tensor(own[f"{name}.bias"])
            return layer

        self.query, self.key, self.value = (dense(f"attention.self.{name}") for name in ("query", "key", "value"))
        self.out, self.wide, self.narrow = (
            dense(name) for name in ("attention.output.dense", "intermediate.dense", "output.dense")
        )
        self.norms = torch.nn.ModuleList(
            _norm(own[f"{name}.LayerNorm.weight"], own[f"{name}.LayerNorm.bias"])
            for name in ("attention.output", "output")
        )
        self.dropout = dropout

    def forward(self, values, mask):
        rows, length, _ = values.shape
        q, k, v = (
            part(values).view(rows, length, HEADS, -1).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        read = F.scaled_dot_product_attention(q, k, v, mask, self.dropout if self.training else 0.0)
        read = self.out(read.transpose(1, 2).reshape(rows, length, WIDTH))
        values = self.norms[0](values + F.dropout(read, self.dropout, self.training))
        fed = self.narrow(F.gelu(self.wide(values)))
        return self.norms[1](values + F.dropout(fed, self.dropout, self.training))


def _tensor(array):
    return torch.tensor(np.asarray(array, np.float32))


def _norm(weight, bias):
    norm = torch.nn.LayerNorm(WIDTH, eps=1e-12)
    norm.weight.data, norm.bias.data = _tensor(weight), _tensor(bias)
    return norm


class Rows:
    """Ids of one split, padded on the device; at most `length` a row, the last one [SEP]."""

    def __init__(self, file, split: str, length: int, device: str, chosen=None):
        flat, lengths = file[f"{split}_ids"].astype(np.int64), file[f"{split}_lengths"].astype(np.int64)
        table = np.zeros((len(lengths), length), np.int64)
        starts = np.cumsum(lengths) - lengths
        for row, (start, count) in enumerate(zip(starts, lengths)):
            kept = min(count, length)
            table[row, :kept] = flat[start : start + kept]
            table[row, kept - 1] = END_ID
        chosen = slice(None) if chosen is None else chosen
        self.labels = file[f"{split}_labels"].astype(np.int64)[chosen]
        self.sizes = np.minimum(lengths, length)[chosen]
        self.ids = torch.tensor(table[chosen], device=device)
        self.targets = torch.tensor(self.labels, device=device)


def batches(sizes: np.ndarray, batch: int, draw) -> list[np.ndarray]:
    """Rows in batches of like length, shuffled."""
    order = draw.permutation(len(sizes))
    parts = []
    for start in range(0, len(order), batch * 50):
        part = order[start : start + batch * 50]
        part = part[np.argsort(sizes[part], kind="stable")]
        parts += [part[at : at + batch] for at in range(0, len(part), batch)]
    return [parts[at] for at in draw.permutation(len(parts))]


def fit(recipe: dict, weights: dict, train: Rows, eval: Rows, device: str):
    """(model with its best epoch's weights, [accuracy on eval after each epoch])."""
    torch.manual_seed(recipe["seed"])
    draw = np.random.default_rng(recipe["seed"])
    model = Encoder(weights, recipe["layers"], recipe["inner_dropout"], recipe["dropout"]).to(device)
    if not recipe["embeddings"]:
        for part in (model.words, model.places, model.kind, *model.norm.parameters()):
            part.requires_grad = False
    trained = [part for part in model.parameters() if part.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": [part for part in trained if part.ndim > 1], "weight_decay": recipe["decay"]},
            {"params": [part for part in trained if part.ndim == 1], "weight_decay": 0.0},
        ],
        lr=recipe["rate"], eps=1e-7,
    )  # fmt: skip
    steps = math.ceil(len(train.labels) / recipe["batch"]) * recipe["epochs"]
    warm = int(recipe["warmup"] * steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: step / max(warm, 1) if step < warm
        else 0.5 * (1 + math.cos(math.pi * (step - warm) / max(steps - warm, 1))),
    )  # fmt: skip
    accuracies, best = [], None
    for _ in range(recipe["epochs"]):
        model.train()
        for rows in batches(train.sizes, recipe["batch"], draw):
            ids = train.ids[rows, : train.sizes[rows].max()]
            hidden = (torch.rand(ids.shape, device=device) < recipe["word_dropout"]) & (ids > MASK_ID)
            with torch.autocast(device, torch.bfloat16):
                logits = model(torch.where(hidden, MASK_ID, ids))
            loss = F.cross_entropy(logits.float(), train.targets[rows], label_smoothing=recipe["smoothing"])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, recipe["clip"])
            optimizer.step()
            schedule.step()
        accuracies.append(float((ask(model, eval, device).argmax(1) == eval.labels).mean()))
        if accuracies[-1] == max(accuracies):
            best = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(best)
    return model, accuracies


def ask(model, rows: Rows, device: str) -> np.ndarray:
    """float32[rows, classes] logits, in order."""
    model.eval()
    answers = np.empty((len(rows.labels), CLASSES), np.float32)
    order = np.argsort(rows.sizes, kind="stable")
    with torch.no_grad(), torch.autocast(device, torch.bfloat16):
        for start in range(0, len(order), 512):
            part = order[start : start + 512]
            answers[part] = model(rows.ids[part, : rows.sizes[part].max()]).float().cpu().numpy()
    return answers


def mix(parts: list[np.ndarray], labels: np.ndarray, offsets: bool) -> tuple[np.ndarray, np.ndarray]:
    """(weights, class offsets) of the likeliest sum of logits, under a normal prior: `calibration.fit` of the product."""
    stacked, count = np.stack(parts).astype(np.float64), len(parts)

    def loss(numbers):
        logits = np.tensordot(numbers[:count], stacked, 1) + (numbers[count:] if offsets else 0)
        likely = log_softmax(logits, axis=1)[np.arange(len(labels)), labels].sum()
        return -likely + ((numbers[:count] - 1) ** 2).sum() / 2 + (numbers[count:] ** 2).sum() / 2

    best = minimize(loss, np.r_[np.ones(count), np.zeros(CLASSES)], method="L-BFGS-B", bounds=[(0, 100)] * count + [(None, None)] * CLASSES).x  # fmt: skip
    return best[:count], best[count:] if offsets else np.zeros(CLASSES)


def measured(recipe: dict, file, weights: dict, final: bool, device: str, most: int) -> dict:
    """One run: accuracy of the encoder alone and beside the linear part, on the rows that are scored."""
    held, started = file["held"], time.time()
    chosen = np.arange(len(held)) if final else np.flatnonzero(~held)
    train = Rows(file, "train", recipe["length"], device, chosen[:most])
    eval = Rows(file, "eval", recipe["length"], device)
    model, accuracies = fit(recipe, weights, train, eval, device)
    kind, asked = ("full", ["test", "clean"]) if final else ("part", ["held"])
    known = ask(model, eval, device)
    alone, alone_offsets = mix([known], eval.labels, True)
    linear = file[f"{kind}_eval"]
    both, _ = mix([linear, known], eval.labels, False)
    fused = both[0] * linear + both[1] * known
    scale, offsets = mix([fused], eval.labels, True)
    run = {"recipe": recipe, "final": final, "epochs_eval": accuracies, "weights": both.tolist(), "seconds": 0.0}
    answers = {}
    for name in asked:
        rows = (
            Rows(file, "train", recipe["length"], device, np.flatnonzero(held)) if name == "held"
            else Rows(file, "test", recipe["length"], device)
        )  # fmt: skip
        deep = answers.get("deep", ask(model, rows, device))  # the encoder reads cleaned text in any case
        answers = {
            "deep": deep, "alone": deep * alone[0] + alone_offsets,
            "linear": file[f"{kind}_{name}"],
        }  # fmt: skip
        answers["fused"] = (both[0] * answers["linear"] + both[1] * deep) * scale[0] + offsets
        for key, logits in answers.items():
            right = logits.argmax(1) == rows.labels
            run[f"{name}_{key}"] = float(right.mean())
            run[f"{name}_{key}_recall"] = [float(right[rows.labels == label].mean()) for label in range(CLASSES)]
            if key in ("alone", "fused"):
                run[f"{name}_{key}_ece"] = expected_error(logits, rows.labels)
    run["seconds"] = round(time.time() - started, 1)
    return run


def expected_error(logits: np.ndarray, labels: np.ndarray) -> float:
    """Expected calibration error over 15 bins, as the product's."""
    probabilities = np.exp(log_softmax(logits.astype(np.float64), axis=1))
    sure, right = probabilities.max(1), logits.argmax(1) == labels
    bins = np.clip((sure * 15).astype(int), 0, 14)
    return float(np.abs(np.bincount(bins, right, 15) - np.bincount(bins, sure, 15)).sum() / len(labels))


def worker(folder: str, final: bool, device: str, most: int, todo, done) -> None:
    torch.set_num_threads(2)
    file = dict(np.load(Path(folder, "rows.npz")))
    weights = dict(np.load(Path(folder, "minilm.npz")))
    while (recipe := todo.get()) is not None:
        done.put(measured(recipe, file, weights, final, device, most))
    done.put(None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("what", choices=("choose", "final"))
    parser.add_argument("output")
    parser.add_argument("--recipes", default="[]", help="JSON, for final: the chosen recipes")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--rows", type=int, default=10**9, help="train rows at most, to try the script")
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    chosen = json.loads(args.recipes) or CHOICES
    seeds = (1, 2, 3) if args.what == "final" else (1,)
    recipes = [{**USUAL, **recipe, "seed": seed} for recipe in chosen for seed in seeds]
    recipes.sort(key=lambda recipe: -recipe["layers"] * recipe["epochs"] / recipe["batch"])  # the longest first
    context = multiprocessing.get_context("spawn")
    todo, done = context.Queue(), context.Queue()
    for recipe in [*recipes, *[None] * args.workers]:
        todo.put(recipe)
    arguments = (args.folder, args.what == "final", args.device, args.rows, todo, done)
    processes = [context.Process(target=worker, args=arguments, daemon=True) for _ in range(args.workers)]
    for process in processes:
        process.start()
    open_workers = args.workers
    with open(args.output, "a") as file:
        while open_workers:
            try:
                run = done.get(timeout=30)
            except queue.Empty:
                if any(process.is_alive() for process in processes):
                    continue
                break  # they failed, and have written why
            if run is None:
                open_workers -= 1
                continue
            print(json.dumps(run), file=file, flush=True)
            shown = {key: value for key, value in run.items() if isinstance(value, float)}
            print({key: value for key, value in run["recipe"].items() if USUAL[key] != value}, shown, flush=True)


if __name__ == "__main__":
    main()
