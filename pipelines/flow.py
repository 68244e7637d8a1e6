"""The flow as one table: Airflow draws it, TFX compiles it, `run_node` asks it what a node needs.

`after` lists the nodes that must have ended well before a node may start; a name with a trailing `?` may also have been
skipped (no champion yet, no trials asked for, or a candidate that is its own baseline).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    """One step of a retraining run.

    name: the TFX node id and the Airflow task id.
    after: names of upstream nodes, see above.
    group: the Airflow task group that shows it.
    does: one line for people.
    title: what it does in a few words, for a graph.
    cached: whether TFX may reuse an earlier result for the same inputs and parameters.
    heavy: whether it uses the whole machine (Airflow puts these in a pool of one).
    blessed: whether it runs only for a candidate that the model gate blessed.
    """

    name: str
    after: tuple[str, ...]
    group: str
    does: str
    cached: bool = True
    heavy: bool = False
    blessed: bool = False
    title: str = ""

    @property
    def upstream(self) -> tuple[str, ...]:
        """Names of the upstream nodes, without the marks."""
        return tuple(name.rstrip("?") for name in self.after)

    @property
    def optional(self) -> tuple[str, ...]:
        """Names of the upstream nodes that may have been skipped."""
        return tuple(name.rstrip("?") for name in self.after if name.endswith("?"))


FLOW = (
    Node(
        "Ingester",
        (),
        "data",
        "reads the listed files into train, eval and test examples; bad rows go to quarantine",
        title="read and split articles",
    ),
    Node(
        "StatisticsGen",
        ("Ingester",),
        "data",
        "computes TFDV statistics of every split",
        title="count values",
    ),
    Node(
        "ImportSchemaGen",
        ("Ingester",),
        "data",
        "publishes the line's reviewed schema",
        title="load the schema",
    ),
    Node(
        "ExampleValidator",
        ("StatisticsGen", "ImportSchemaGen"),
        "data",
        "compares statistics with the schema",
        title="compare with the schema",
    ),
    Node(
        "DataGate",
        ("Ingester", "ExampleValidator"),
        "data",
        "merges Great Expectations and TFDV into one verdict: pass, warn or stop",
        title="pass, warn or stop",
    ),
    Node(
        "Tokenizer",
        ("Ingester", "DataGate"),
        "model",
        "adapts the vocabulary on the train split alone",
        title="build the vocabulary",
    ),
    Node(
        "Tuner",
        ("Ingester", "Tokenizer"),
        "model",
        "tries settings on a sample of the train rows, judged on eval, where the run asks for trials",
        heavy=True,
        title="search for settings",
    ),
    Node(
        "Trainer",
        ("Ingester", "Tokenizer", "Tuner?"),
        "model",
        "trains and exports the candidate",
        heavy=True,
        title="train the candidate",
    ),
    Node(
        "Baseline",
        ("Ingester", "DataGate"),
        "model",
        "trains a bag of n-grams on the same rows, the least a candidate must match",
        heavy=True,
        title="train the baseline",
    ),
    Node(
        "Champion",
        ("Trainer",),
        "evaluation",
        "publishes the model that serves now, unless the candidate is that one",
        title="load what serves",
    ),
    Node(
        "Evaluator",
        ("Ingester", "Trainer", "Champion?"),
        "evaluation",
        "TFMA: metrics overall and per class",
        title="compute metrics",
    ),
    Node(
        "ModelGate",
        ("Ingester", "DataGate", "Trainer", "Evaluator", "Baseline?", "Champion?"),
        "evaluation",
        "decides on the same held-out rows: blessed, unchanged or refused, with reasons",
        cached=False,
        title="bless or refuse",
    ),
    Node(
        "Canary",
        ("Ingester", "Trainer", "Champion?", "ModelGate"),
        "release",
        "loads and asks the exported model in a fresh process without this project",
        blessed=True,
        title="query it in isolation",
    ),
    Node(
        "Pusher",
        ("Trainer", "ModelGate", "Canary"),
        "release",
        "publishes the model folder as the next version",
        cached=False,
        blessed=True,
        title="publish the version",
    ),
    Node(
        "Registrar",
        ("Ingester", "ModelGate", "Pusher"),
        "release",
        "moves the champion pointer, records the promotion, tells MLflow",
        cached=False,
        blessed=True,
        title="move the champion",
    ),
)

NODES = {node.name: node for node in FLOW}
