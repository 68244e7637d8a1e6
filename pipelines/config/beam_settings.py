"""The section `[<line>.beam]` of `newsdesk.toml`: on what Apache Beam runs StatisticsGen and Evaluator."""

from typing import Annotated

from pydantic import Field

from pipelines.config.base import ListOf, Rule, Settings

OPTION = r"^--[a-z][a-z0-9_]*(=\S+)?$(?!\n)"


class BeamSettings(Settings):
    """Beam's own options, as its documentation names them; they change where a node runs, never its result or its cache key."""

    section = "beam"

    options: Annotated[
        ListOf[Annotated[str, Field(pattern=OPTION)]],
        Rule("must be a list of options such as '--direct_num_workers=2'"),
    ] = Field(
        # On two cores a second worker only adds overhead to the rows of one line.
        ("--direct_running_mode=in_memory", "--direct_num_workers=1"),
        description="Options of Apache Beam.",
    )
