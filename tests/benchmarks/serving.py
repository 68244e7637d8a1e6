"""`newsdesk serve` beside `mlflow models serve`: 8 clients, one text a request, two swaps and a rollback; prints a Markdown table.

    .venv/bin/python tests/benchmarks/serving.py [--source demo] [--preset bag] [--seconds 60] [--clients 8]

Trains and releases the preset once in a state folder of its own and publishes the same model as version 2, so that every answer
must be the same whichever version gives it. Each server is measured alone, one after the other. A client waits for its answer
before it asks again. Processor time is the server's, all its threads and child processes, between the first and the last request.
"""

import argparse
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

HOST = "127.0.0.1"


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--source", default="demo")
    arguments.add_argument("--preset", default="bag")
    arguments.add_argument("--seconds", type=float, default=60)
    arguments.add_argument("--clients", type=int, default=8)
    args = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="newsdesk-serving-") as folder:
        os.environ["NEWSDESK_HOME"] = folder
        line = "news-demo" if args.source == "demo" else "news"
        release(args.source, args.preset, line)
        texts = demo_texts(Path(folder, "texts"))
        asked = [json.dumps({"instances": [text]}).encode() for text in texts]
        framed = [json.dumps({"dataframe_split": {"columns": ["text"], "data": [[text]]}}).encode() for text in texts]
        ours = [sys.executable, "-m", "pipelines.cli.main", "serve", "--line", line, "--port"]
        theirs = [
            "mlflow",
            "models",
            "serve",
            "--env-manager",
            "local",
            "--model-uri",
            str(paths.serving_dir(line) / "1"),
        ]
        theirs = [str(Path(sys.executable).with_name(theirs[0])), *theirs[1:], "--port"]
        path, moves = f"/v1/models/{line}:predict", swaps(line, args.seconds)
        results = {
            "`newsdesk serve`": run([*ours, "18501"], 18501, "/healthz", path, asked, args, moves),
            "`newsdesk serve`, no batches": run(
                [*ours, "18502", "--batch-rows", "1", "--batch-wait", "0"], 18502, "/healthz", path, asked, args
            ),
            "`mlflow models serve`": run([*theirs, "18503"], 18503, "/ping", "/invocations", framed, args),
        }
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


def release(source: str, preset: str, line: str) -> None:
    """Trains and releases version 1, and publishes its model once more as version 2."""
    from components import pusher

    call = [sys.executable, "-m", "pipelines.cli.main", "retrain", "--source", source, "--preset", preset]
    subprocess.run(
        [*call, "--line", line, "--set", "gates.floor=0.5"], check=True, cwd=paths.REPOSITORY, stdout=sys.stderr
    )
    card, first = model_registry.card(line, 1), paths.serving_dir(line) / "1"
    bare = paths.home() / "bare"
    bare.mkdir()
    for name in ("saved_model.pb", "variables", "assets", "fingerprint.pb"):
        copy = shutil.copytree if (first / name).is_dir() else shutil.copy
        if (first / name).exists():
            copy(first / name, bare / name)
    labels, hashes = fileio.read_json(first / model_registry.MANIFEST)["labels"], model_registry.folder_hashes(bare)
    version, folder = pusher.push(bare, line, "again", labels, judged=hashes, allowed=lambda: None)
    digest = model_registry.verify(folder)["digest"]
    again = {**card, "version": version, "folder": str(folder), "run": "again", "digest": digest}
    fileio.write_json(paths.registry_dir(line) / "versions" / f"{version}.json", again)


def demo_texts(folder: Path) -> list[str]:
    """1,000 demo articles."""
    demo_corpus.write(folder, articles=1_000)
    rows = [line for path in sorted(folder.glob("t*.csv")) for line in path.read_text().splitlines()]
    texts = [row.split(",", 1)[1] for row in rows]
    random.Random(1).shuffle(texts)
    return texts[:1_000]


def swaps(line: str, seconds: float) -> list[tuple[float, int, str]]:
    """When, to which version, how: two swaps and a rollback."""
    return [(seconds * 0.2, 2, "promote"), (seconds * 0.45, 1, "promote"), (seconds * 0.7, 2, "rollback")]


def run(call, port, ping, path, bodies, args, moves=()) -> dict:
    """Starts a server, asks it for some seconds, ends it."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(call, cwd=paths.REPOSITORY, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for(process, port, ping, log)
            load(port, path, bodies, 3, args.clients)  # warm
            cpu = tree_seconds(process.pid)
            mover = threading.Thread(target=move, args=(call, moves))
            mover.start()
            answers = load(port, path, bodies, args.seconds, args.clients)
            mover.join()
            cpu = tree_seconds(process.pid) - cpu
        finally:
            os.killpg(process.pid, 15)
            process.wait(60)
    good = [seconds for status, seconds, _ in answers if status == 200]
    hundredths = statistics.quantiles(good, n=100)
    return {
        "requests": len(answers), "failed": len(answers) - len(good), "rate": len(answers) / args.seconds,
        "p50": hundredths[49] * 1e3, "p99": hundredths[98] * 1e3, "cpu": cpu * 1e3 / len(answers),
        "versions": ", ".join(sorted({version for _, _, version in answers if version})),
    }  # fmt: skip


def move(call: list[str], moves) -> None:
    """Moves the champion pointer at its times."""
    line, began = call[call.index("--line") + 1] if "--line" in call else "", time.monotonic()
    for when, version, kind in moves:
        time.sleep(max(0.0, began + when - time.monotonic()))
        model_registry.move_champion(line, model_registry.champion(line), version, kind, "benchmark", {})


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
