"""The section `[<line>.approval]` of `newsdesk.toml`: who answers for a held version, and how long a run waits for the answer."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from pipelines.config.base import ListOf, Rule, Settings

USER = r"^[A-Za-z0-9._@-]{1,100}$(?!\n)"


class ApprovalSettings(Settings):
    """A run with `release=hold` asks a person in Airflow, who is never the one that asked for the run."""

    section = "approval"

    approvers: Annotated[
        ListOf[Annotated[str, Field(pattern=USER)]],
        Rule("must be a list of user ids as Airflow knows them, letters, digits and . _ @ -"),
    ] = Field((), description="Who may approve; empty: every user of Airflow who may answer tasks.")
    hours: float = Field(24, gt=0, le=8760, description="Hours after which a version that nobody approved is refused.")


def approvers(lines: Mapping[str, Any]) -> list[str]:
    """All users that some line names as approvers, sorted. lines: `newsdesk.toml`; a section that is no section is passed over."""
    named: set[str] = set()
    for sections in lines.values():
        values = (sections.get("approval") or {}).get("approvers") if isinstance(sections, Mapping) else None
        named |= {name for name in values or () if isinstance(name, str)} if isinstance(values, list) else set()
    return sorted(named)
