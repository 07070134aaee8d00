"""calibration.yaml: what `rayjob calibrate` writes, a spec names and a run applies. Fits and applies nothing."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from rayjob.spec.base import Problem, SpecError, SpecModel

Share = Annotated[float, Field(ge=0, le=1)]


class DimensionCalibration(SpecModel):
    """How one dimension's confidence is mapped, and from which calibrated confidence on its answers can be trusted."""

    method: Literal["none", "isotonic", "logistic"]
    points: tuple[tuple[Share, Share], ...] = Field(default=(), description="isotonic: stated, calibrated; rising.")
    slope: float = Field(default=1.0, gt=0, description="logistic: factor of the logit; 1/slope is the temperature.")
    intercept: float = Field(default=0.0, description="logistic: added to the scaled logit.")
    threshold: Share | None = Field(
        default=None, description="Calibrated confidence from which on the target holds; null: none can be promised."
    )
    above: Share = Field(default=0.0, description="Share of the rows at or above the threshold.")
    rows: int = Field(default=0, ge=0, description="Rows it was fitted on.")
    accuracy: Share | None = Field(default=None, description="Share of those rows that were right.")
    ece_before: Share | None = Field(default=None, description="Expected calibration error as stated.")
    ece_after: Share | None = Field(default=None, description="The same after the map, cross-validated.")
    auroc: Share | None = Field(default=None, description="How well confidence tells right from wrong; .5: not.")

    @model_validator(mode="after")
    def _points_rise(self) -> DimensionCalibration:
        if self.method == "isotonic" and not self.points:
            raise ValueError("isotonic needs points")
        for (x0, y0), (x1, y1) in pairwise(self.points):
            if x1 <= x0 or y1 < y0:
                raise ValueError(f"points must rise: [{x1}, {y1}] stands after [{x0}, {y0}]")
        return self


class CalibrationFile(SpecModel):
    """The whole file."""

    calibration: Literal[1] = 1
    created: str = ""
    by: str = ""
    run: str = Field(default="", description="The run whose confidence was calibrated.")
    judged_by: str = Field(default="", description="The gold file or review it was judged by.")
    target_accuracy: Share = 0.95
    certainty: Share = Field(default=0.95, description="How sure the promise of the thresholds is.")
    ece_before: Share | None = Field(
        default=None, description="Expected calibration error over the answers of all dimensions together, as stated."
    )
    ece_after: Share | None = Field(default=None, description="The same after the maps, cross-validated.")
    dimensions: dict[str, DimensionCalibration]


def parse_calibration(text: str, file: str = "calibration.yaml") -> CalibrationFile:
    """Read a calibration file. Raises SpecError with every problem."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as bad:
        mark = getattr(bad, "problem_mark", None)
        raise SpecError([Problem(file, mark.line + 1 if mark else 0, "", f"not YAML: {bad}")]) from bad
    try:
        return CalibrationFile.model_validate(found)
    except ValidationError as bad:
        problems = [Problem(file, 0, ".".join(map(str, one["loc"])), one["msg"]) for one in bad.errors()]
        raise SpecError(problems) from bad


def dump_calibration(calibration: CalibrationFile) -> str:
    """The file's text; what is at its default is left out of the dimensions."""
    plain = calibration.model_dump(mode="json", exclude={"dimensions"})
    plain["dimensions"] = {
        name: one.model_dump(mode="json", exclude_defaults=True) for name, one in calibration.dimensions.items()
    }
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, default_flow_style=None)
