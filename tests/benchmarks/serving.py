"""`newsdesk serve` beside `mlflow models serve`: 8 clients, one text a request, two swaps and a rollback; prints a Markdown table.

    .venv/bin/python tests/benchmarks/serving.py [--home FOLDER] [--preset wide-transformer] [--seconds 60] [--clients 8]

Trains and releases the preset once on the demo source, or takes the demo's champion from a copy of a state folder, and publishes the same
model once more, so that the two versions that answer in turn cost the same. Each server is measured alone, one after the other. A client waits for its answer
before it asks again. Processor time is the server's, all its threads and child processes, between the first and the last request.
"""

import argparse
import contextlib
import http.client
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import measure

from components.core import fileio, paths
from components.data import demo_corpus
from components.registry import model_registry

HOST, LINE = "127.0.0.1", "news-demo"


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--home", type=Path)
    arguments.add_argument("--preset", default="wide-transformer")
    arguments.add_argument("--seconds", type=float, default=60)
    arguments.add_argument("--clients", type=int, default=8)
    args = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="newsdesk-serving-") as folder:
        os.environ["NEWSDESK_HOME"] = str(Path(folder, "home"))
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # MLflow starts `uvicorn`
        if args.home:
            shutil.copytree(args.home, paths.home())
        else:
            train(args.preset)
        first = model_registry.champion(LINE)["version"]
        second = publish_again(first)
        texts = demo_texts(Path(folder, "texts"))
        asked = [json.dumps({"instances": [text]}).encode() for text in texts]
        framed = [json.dumps({"dataframe_split": {"columns": ["text"], "data": [[text]]}}).encode() for text in texts]
        ours = [sys.executable, "-m", "pipelines.cli.main", "serve", "--line", LINE, "--port"]
        model = model_registry.folder(LINE, first)
        theirs = ["mlflow", "models", "serve", "--env-manager", "local", "--model-uri", str(model), "--port"]
        path = f"/v1/models/{LINE}:predict"
        # Two swaps and a rollback.
        moves = [(0.2, second, "promote"), (0.45, first, "promote"), (0.7, second, "rollback")]
        one_by_one = ["--batch-rows", "1", "--batch-wait", "0"]
        results = {
            "`newsdesk serve`": run([*ours, "18501"], 18501, "/healthz", path, asked, args, moves),
            "`newsdesk serve`, a call for each text": run(
                [*ours, "18502", *one_by_one], 18502, "/healthz", path, asked, args
            ),
            "`mlflow models serve`": run([*theirs, "18503"], 18503, "/ping", "/invocations", framed, args),
        }
        print(
            f"Preset {model_registry.card(LINE, first)['preset']}, {args.clients} clients, {args.seconds:g} s each.\n"
        )
    print(f"{json.dumps(measure.machine())}\n")
    print(
        "| server | requests | failed | requests/s | p50, ms | p99, ms | processor, ms a request | versions that answered |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, r in results.items():
        print(
            f"| {name} | {r['requests']:,} | {r['failed']} | {r['rate']:.0f} | {r['p50']:.1f} | {r['p99']:.1f} "
            f"| {r['cpu']:.2f} | {r['versions']} |"
        )


def train(preset: str) -> None:
    """Trains and releases version 1."""
    call = [sys.executable, "-m", "pipelines.cli.main", "retrain", "--source", "demo", "--preset", preset]
    subprocess.run(call, check=True, cwd=paths.REPOSITORY, stdout=sys.stderr)


def publish_again(number: int) -> int:
    """Publishes the model of a version once more; returns the new version's number."""
    from components import pusher

    card, folder, bare = model_registry.card(LINE, number), model_registry.folder(LINE, number), paths.home() / "bare"
    bare.mkdir()
    for name in ("saved_model.pb", "variables", "assets", "fingerprint.pb"):
        copy = shutil.copytree if (folder / name).is_dir() else shutil.copy
        if (folder / name).exists():
            copy(folder / name, bare / name)
    labels, hashes = fileio.read_json(folder / model_registry.MANIFEST)["labels"], model_registry.folder_hashes(bare)
    version, folder = pusher.push(bare, LINE, "again", labels, judged=hashes, allowed=lambda: None)
    digest = model_registry.verify(folder)["digest"]
    again = {**card, "version": version, "folder": str(folder), "run": "again", "digest": digest}
    fileio.write_json(paths.registry_dir(LINE) / "versions" / f"{version}.json", again)
    return version


def demo_texts(folder: Path) -> list[str]:
    """1,000 demo articles."""
    demo_corpus.write(folder, articles=1_000)
    rows = [line for path in sorted(folder.glob("t*.csv")) for line in path.read_text().splitlines()]
    texts = [row.split(",", 1)[1] for row in rows]
    random.Random(1).shuffle(texts)
    return texts[:1_000]


def run(call, port, ping, path, bodies, args, moves=()) -> dict:
    """Starts a server, asks it for some seconds, ends it."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(call, cwd=paths.REPOSITORY, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for(process, port, ping, log)
            load(port, path, bodies, 3, args.clients)  # warm
            cpu = tree_seconds(process.pid)
            mover = threading.Thread(target=move, args=(args.seconds, moves))
            mover.start()
            answers = load(port, path, bodies, args.seconds, args.clients)
            mover.join()
            cpu = tree_seconds(process.pid) - cpu
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 15)
            process.wait(60)
    good = [seconds for status, seconds, _ in answers if status == 200]
    hundredths = statistics.quantiles(good, n=100)
    return {
        "requests": len(answers), "failed": len(answers) - len(good), "rate": len(answers) / args.seconds,
        "p50": hundredths[49] * 1e3, "p99": hundredths[98] * 1e3, "cpu": cpu * 1e3 / len(answers),
        "versions": ", ".join(sorted({version for _, _, version in answers if version})),
    }  # fmt: skip


def move(seconds: float, moves) -> None:
    """Moves the champion pointer at its times, which are shares of the seconds."""
    began = time.monotonic()
    for when, version, kind in moves:
        time.sleep(max(0.0, began + when * seconds - time.monotonic()))
        model_registry.move_champion(LINE, model_registry.champion(LINE), version, kind, "benchmark", {})


def wait_for(process, port: int, path: str, log) -> None:
    while process.poll() is None:
        try:
            connection = http.client.HTTPConnection(HOST, port, timeout=5)
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
    log.seek(0)
    raise SystemExit(log.read().decode()[-2000:])


def load(port: int, path: str, bodies: list[bytes], seconds: float, clients: int) -> list[tuple[int, float, str]]:
    """Status (0: no answer), seconds and version of each answer."""
    answers, end = [[] for _ in range(clients)], time.monotonic() + seconds

    def client(mine: list, offset: int) -> None:
        connection, number = http.client.HTTPConnection(HOST, port, timeout=60), offset
        while time.monotonic() < end:
            started = time.perf_counter()
            try:
                connection.request("POST", path, bodies[number % len(bodies)], {"content-type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                status, version = answer.status, answer.getheader("x-model-version") or ""
            except (OSError, http.client.HTTPException):
                status, version = 0, ""
                connection.close()
            mine.append((status, time.perf_counter() - started, version))
            number += 1

    threads = [threading.Thread(target=client, args=(mine, i * 100)) for i, mine in enumerate(answers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answer for mine in answers for answer in mine]


def tree_seconds(leader: int) -> float:
    """Processor seconds of all processes in a session, those of ended children included."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader:
            total += sum(map(int, fields[11:15]))
    return total / measure.TICK


if __name__ == "__main__":
    main()
