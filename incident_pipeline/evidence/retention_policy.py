"""How long evidence is kept: rules per severity and class, in the `[retention]` table of a TOML file.

    [retention]
    keep_days = 365            # what no rule matches

    [[retention.rule]]
    severity = "sev1"          # as in incident.json
    keep_days = 2555
    basis = "contract, section 9"

    [[retention.rule]]
    class = "chat"             # an artifact's type
    keep_days = 90

Of the rules that match, the one with more conditions counts, and of those the longest: a second rule of
equal rank never shortens what another promises. There is no default for evidence that nobody wrote a
rule about: without `keep_days` the file is refused.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from incident_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

MAX_DAYS: Final = 36_500


class Rule(BaseModel):
    """One rule. `basis` says why, and stands in the plan and in custody entries."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    severity: str | None = None
    artifact_class: str | None = Field(default=None, alias="class")
    keep_days: int = Field(ge=0, le=MAX_DAYS)
    basis: str = ""

    def matches(self, severity: str | None, artifact_class: str) -> bool:
        """Say whether both conditions hold, without regard to case."""
        return _equal(self.severity, severity) and _equal(self.artifact_class, artifact_class)

    @property
    def rank(self) -> tuple[int, int]:
        """Give what decides between rules: conditions, then days."""
        return (self.severity is not None) + (self.artifact_class is not None), self.keep_days

    @property
    def told(self) -> str:
        """Say in words what the rule is."""
        conditions = [f"severity {self.severity}"] if self.severity else []
        conditions += [f"class {self.artifact_class}"] if self.artifact_class else []
        what = " and ".join(conditions) or "all other evidence"
        return f"{what}: {self.keep_days} days" + (f" ({self.basis})" if self.basis else "")


class _Retention(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    keep_days: int = Field(ge=0, le=MAX_DAYS)
    basis: str = ""
    rule: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class RetentionPolicy:
    """All rules, the general one last."""

    rules: tuple[Rule, ...]

    def rule_for(self, severity: str | None, artifact_class: str) -> Rule:
        """Give the rule that counts for an artifact."""
        matching = (rule for rule in self.rules if rule.matches(severity, artifact_class))
        return max(matching, key=lambda rule: rule.rank)


def read_retention_policy(path: Path) -> RetentionPolicy:
    """Read the `[retention]` table of a policy file; its other tables are not looked at.

    Raises:
        ConfigError: it can't be read, or does not say how long to keep what.
    """
    advice = "See the guide's section on retention for an example."
    try:
        value = tomllib.loads(path.read_text()).get("retention")
    except OSError as error:
        raise ConfigError(f"{path}: the policy can't be read ({error.strerror}).", advice=advice) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no valid TOML: {error}.", advice=advice) from error
    if value is None:
        raise ConfigError(f"{path}: has no [retention] table.", advice=advice)
    try:
        retention = _Retention.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: retention.{place}: {first['msg']}.", advice=advice) from error
    return RetentionPolicy((*retention.rule, Rule(keep_days=retention.keep_days, basis=retention.basis)))


def _equal(wanted: str | None, found: str | None) -> bool:
    return wanted is None or (found is not None and wanted.casefold() == found.casefold())
