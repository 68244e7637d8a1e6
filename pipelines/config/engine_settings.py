"""The section `[<line>.engine]` of `newsdesk.toml`: on what the Ingester decides which rows stay."""

from typing import Annotated

from pydantic import Field

from pipelines.config.base import Rule, Settings

_HOST = r"[A-Za-z0-9._-]+:\d{1,5}"
MASTER = rf"^(spark://{_HOST}(,{_HOST})*|local\[([1-9]\d{{0,2}}|\*)\])?$(?!\n)"


class EngineSettings(Settings):
    """It changes where rows are compared, never what comes of it or a cache key."""

    section = "engine"

    spark: Annotated[
        str,
        Field(pattern=MASTER),
        Rule(
            "must be spark://HOST:PORT, a standalone cluster (standby masters after commas), or local[N], N threads on this "
            "machine; YARN and Kubernetes start programs in ways of their own that nothing here prepares"
        ),
    ] = Field("", description="Address of a Spark cluster; empty: DuckDB, in the node itself.")
