"""What a person may ask of the registry in Airflow: the form, its check, what is put before whoever approves, and the command."""

from collections.abc import Mapping
from typing import Any

from airflow.sdk import Param

from components.core import fileio, paths
from components.registry import model_registry
from newsdesk_dags import form_parts
from pipelines.config import run_config
from pipelines.notifications import transports

ACTIONS = ("promote", "rollback", "pin", "unpin")


def form(line: str) -> dict[str, Param]:
    """The trigger form. line: what stands in it at first."""
    return {
        "action": Param(
            "promote",
            title="Action",
            description_md="**promote** makes a version serve, a held one too; **rollback** restores the previous champion; "
            "**pin** keeps a version whatever its age, **unpin** ends that.",
            section="What",
            type="string",
            enum=list(ACTIONS),
        ),
        "line": form_parts.line_field(line, "What"),
        "version": Param(
            None,
            title="Version",
            description_md="Its number; empty for **rollback**.",
            section="What",
            type=["null", "integer"],
            minimum=1,
            maximum=2**31 - 1,
        ),
        "reason": Param(
            title="Reason",
            description="Kept in the history, with who asked and who approved.",
            section="Why",
            type="string",
            minLength=3,
            maxLength=500,
            pattern=rf"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*{form_parts.END}",
        ),
    }


FIELDS = form("")


def resolved(params: Mapping[str, Any], conf: Mapping[str, Any] | None) -> dict:
    """The form's values, and what is approved: which version would serve (`target`), in place of which one (`serves`), as the
    line's next move after which one (`after`: its number, 0 where there was none).

    Raises:
        AirflowFailException: a parameter that the form does not know, or would have refused.
        ConfigError: one that does not fit the others.
        model_registry.RegistryError: there is no such version.
    """
    asked = form_parts.checked(FIELDS, params, conf)
    action, line, version = asked["action"], asked["line"], asked["version"]
    if (version is None) != (action == "rollback"):
        rule = "version must be empty for a rollback and a number for everything else"
        raise run_config.ConfigError(f"{rule}. Received: action={action!r}, version={version!r}")
    target = model_registry.rollback_target(line) if action == "rollback" else version
    if target is None:
        raise model_registry.RegistryError(
            f"a rollback needs a version that served before. Received: line {line!r} has none"
        )
    if model_registry.folder(line, target) is None:
        raise model_registry.RegistryError(f"a version must exist. Received: line {line!r}, version {target}")
    pointer = model_registry.champion(line)
    after, serves = (pointer["event"]["sequence"], pointer["version"]) if pointer else (0, None)
    return {**asked, "target": target, "serves": serves, "after": after}


def question(asked: Mapping[str, Any], by: str) -> dict[str, str]:
    """`subject` and `body` (Markdown) of what is put before a person."""
    line, target, serves = asked["line"], asked["target"], asked["serves"]
    what = {
        "promote": f"Make version {target} of {line} serve",
        "rollback": f"Roll {line} back to version {target}",
        "pin": f"Pin version {target} of {line}",
        "unpin": f"Unpin version {target} of {line}",
    }[asked["action"]]
    now = f"Version {serves} serves now." if serves else "Nothing serves now."
    card = model_registry.card(line, target) or {}
    metrics, verdict = card.get("metrics") or {}, {}
    if card.get("run"):
        verdict = fileio.read_json(paths.run_dir(card["run"]) / "verdict.json") or {}
    facts = [
        f"reason: {asked['reason']}",
        f"asked by: {by}",
        f"preset {card.get('preset')}, made {card.get('created')}, run {card.get('run')}",
        f"test accuracy {metrics.get('accuracy', float('nan')):.4f} on {metrics.get('rows', 0):,} rows",
        *(f"gate: {reason}" for reason in verdict.get("reasons") or ()),
    ]
    # Between backticks, Markdown shows text as it is, whatever somebody typed; only another backtick could end that.
    quoted = "\n".join("- `" + transports.plain(text)[:300].replace("`", "'") + "`" for text in facts)
    page = paths.run_dir(card["run"]) / "verdict.html" if card.get("run") else None
    where = "\n\nThe whole verdict stands on the page *Models*, beside this version." if page and page.exists() else ""
    return {"subject": f"{what}?", "body": f"{now}\n\n{quoted}{where}"}


def words_of(asked: Mapping[str, Any], by: str, approved_by: str) -> list[str]:
    """The argument list of the command. One word a value: what somebody typed can be no option of its own.

    A move is bound to what was approved: the command compares target and last move under the line's lock.
    """
    reason = f"--reason={asked['reason']} (asked by {by}, approved by {approved_by})"
    version = [f"--to={asked['target']}"] if asked["action"] == "rollback" else [str(asked["version"])]
    bound = [f"--after={asked['after']}"] if asked["action"] in ("promote", "rollback") else []
    return [asked["action"], *version, *bound, f"--line={asked['line']}", reason]


def user_of(person: Any) -> str:
    """A name, from one or from what Airflow says of who answered (`id`, `name`)."""
    name = person.get("name") or person.get("id") if isinstance(person, Mapping) else person
    return transports.plain(str(name or "nobody known"))[:100]


def serving(line: str) -> int | None:
    """The version that serves now."""
    pointer = model_registry.champion(line)
    return pointer["version"] if pointer else None
