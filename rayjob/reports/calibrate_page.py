"""A calibration as a table, and its reliability curves as inline SVG. Computes nothing but where the dots go."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from rayjob.reports.calibrate import Bin, reliability
from rayjob.reports.confidence_maps import Outcomes, apply_map
from rayjob.reports.table import Table, number, percent
from rayjob.spec.quality import CalibrationFile, DimensionCalibration

_SIZE, _EDGE = 250, 40


def calibration_table(made: CalibrationFile) -> Table:
    """What each dimension's confidence is worth before and after, and what its threshold promises."""
    rows: tuple[tuple[str, ...], ...] = tuple(
        (
            name, str(one.rows), _number(one.accuracy), _number(one.auroc), one.method, _number(one.ece_before),
            _number(one.ece_after), _number(one.threshold), percent(one.above) if one.threshold is not None else "–",
        )
        for name, one in made.dimensions.items()
    )  # fmt: skip
    if len(rows) > 1:
        judged = sum(one.rows for one in made.dimensions.values())
        errors = (_number(made.ece_before), _number(made.ece_after))
        rows += (("all answers", str(judged), "", "", "", *errors, "", ""),)
    columns = ("dimension", "rows", "right", "AUROC", "method", "ECE stated", "ECE after", "threshold", "rows above")
    note = (
        f"Above the threshold {made.target_accuracy:.1%} or more are right, with certainty {made.certainty:.0%}; "
        "–: these rows cannot promise that. ECE after: cross-validated. AUROC .5: confidence says nothing."
    )
    return Table("Calibration", columns, rows, note)


def _number(value: float | None) -> str:
    return "–" if value is None else number(value)


def calibration_pictures(outcomes: Sequence[Outcomes], made: CalibrationFile) -> list[str]:
    """A reliability curve per dimension: hollow dots as stated, filled ones calibrated (on the rows of the fit)."""
    curves = "".join(_curve(one, made.dimensions[one.dimension]) for one in outcomes)
    note = (
        "Each dot is a tenth of the rows or more: confidence against the share that was right. Hollow: as stated. "
        "Filled: calibrated, on the rows of the fit. On the line confidence is honest; dashed: the threshold."
    )
    return [f'<h2>Reliability</h2><p class="note">{note}</p><div>{curves}</div>']


def _curve(outcomes: Outcomes, fitted: DimensionCalibration) -> str:
    stated = reliability(outcomes.confidence, outcomes.right, outcomes.weights)
    after = reliability(apply_map(fitted, outcomes.confidence), outcomes.right, outcomes.weights)
    dots = [_dot(one, "none") for one in stated] + [_dot(one, "#16566e") for one in after]
    x0, x1, y0, y1 = _EDGE, _SIZE - 6, _SIZE - _EDGE, 6
    name = escape(outcomes.dimension)
    return (
        f'<svg role="img" width="{_SIZE}" height="{_SIZE}" xmlns="http://www.w3.org/2000/svg">'
        f'<rect x="{x0}" y="{y1}" width="{x1 - x0}" height="{y0 - y1}" fill="none" stroke="#c8d0d9"/>'
        f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" stroke="#c8d0d9"/>{"".join(dots)}'
        f"{_ticks()}"
        f'<text x="{(x0 + x1) / 2}" y="{_SIZE - 8}" text-anchor="middle">{name}: confidence</text>'
        f'<text x="11" y="{(y0 + y1) / 2}" text-anchor="middle" transform="rotate(-90 11 {(y0 + y1) / 2})">right</text>'
        f"{_threshold(fitted)}</svg>"
    )


def _ticks() -> str:
    """0, a half and 1 on both axes."""
    below = (f'<text x="{_x(v)}" y="{_SIZE - 21}" text-anchor="middle">{v:g}</text>' for v in (0, 0.5, 1))
    beside = (f'<text x="{_EDGE - 4}" y="{_y(v) + 4}" text-anchor="end">{v:g}</text>' for v in (0, 0.5, 1))
    return "".join([*below, *beside])


def _x(value: float) -> float:
    return round(_EDGE + value * (_SIZE - 6 - _EDGE), 1)


def _y(value: float) -> float:
    return round(_SIZE - _EDGE - value * (_SIZE - _EDGE - 6), 1)


def _dot(one: Bin, fill: str) -> str:
    return f'<circle cx="{_x(one.confidence)}" cy="{_y(one.accuracy)}" r="4" fill="{fill}" stroke="#16566e"/>'


def _threshold(fitted: DimensionCalibration) -> str:
    if fitted.threshold is None:
        return ""
    x = _x(fitted.threshold)
    return f'<line x1="{x}" y1="6" x2="{x}" y2="{_SIZE - _EDGE}" stroke="#b4491f" stroke-dasharray="4 3"/>'
