"""`[<line>.data]` in `newsdesk.toml`: how rows are split, and what a delivery may look like."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from components.core.validation import check
from components.data.fresh_rows import FRESH_FROM
from components.data_quality import check_settings
from pipelines.config.base import Settings

Share = Annotated[float, Field(ge=0, le=1)]


class DataConfig(Settings):
    """Limits of the data gate. Shares lie in 0..1."""

    section = "data"

    eval_fraction: float = Field(0.05, gt=0, lt=0.5, description="Share of train rows for validation.")
    test_fraction: float = Field(
        0.1, gt=0, lt=0.5, description="Share of rows for the test, where the source has no test file."
    )
    fresh_fraction: float = Field(
        0.2, ge=0, lt=0.5, description="Share of the rows of labelled spans that judge models and never train them."
    )
    fresh_from: Literal[FRESH_FROM] = Field(
        "labelled",
        description="Which spans give fresh rows: labelled, those that `newsdesk label` wrote, or dated, every dated folder.",
    )
    max_quarantined: Share = Field(0.01, description="Share of rows that may be unreadable.")
    max_foreign_labels: int = Field(0, ge=0, description="Rows that may carry a label outside the line's.")
    max_leaked: Share = Field(
        0.002,
        description="Train rows that are test rows too, as a share of the test rows: they are left out; more stop the run.",
    )
    min_rows: int = Field(200, ge=0, description="Train rows.")
    min_class_share: Share = Field(0.02, description="Share of the smallest class among train rows.")
    max_class_share: Share = Field(0.8, description="Share of the largest class among train rows.")
    min_rows_kept: Share = Field(0.7, description="Least share of the champion's rows, for the same source and window.")
    max_near_duplicates: Share = Field(0.1, description="Share of train rows.")
    max_drift: Share = Field(0.1, description="Distance from the champion's rows.")
    max_noise: Share = Field(0.06, description="Loss of agreement between words and labels.")
    max_upper: Share = Field(0.3, description="Share of titles in capitals.")
    first_label: int = Field(1, ge=0, le=1, description="Number of the first class in files.")
    checks: dict[str, str] = Field(
        {}, description="Outcome by check: off, warn or stop (`components.data_quality.check_settings`)."
    )
    reason: str = Field("", description="Why a check is milder than its default.")

    @field_validator("checks")
    @classmethod
    def _known(cls, checks: dict[str, str]) -> dict[str, str]:
        names, outcomes = check_settings.DEFAULTS, check_settings.OUTCOMES
        unknown = sorted(name for name in checks if name not in names)
        check(not unknown, f"data.checks must name checks among {', '.join(names)}", unknown=unknown)
        wrong = {name: outcome for name, outcome in checks.items() if outcome not in outcomes}
        check(not wrong, f"an outcome in data.checks must be one of {', '.join(outcomes)}", checks=wrong)
        return checks

    @model_validator(mode="after")
    def _has_reason(self) -> "DataConfig":
        milder = check_settings.softened(self.checks)
        check(not milder or bool(self.reason.strip()), "data.reason must say why a check is made milder", checks=milder)
        return self
