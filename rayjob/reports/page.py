"""report.html: one self-contained page about a run. Makes no request, trusts no text: everything is escaped.

A page loads nothing: its policy allows the one style sheet and the one script that it carries, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rayjob.reports.run_report import RunReport
from rayjob.reports.wording import say_s, short

#: A piece of a page whose text is escaped already. A plain str put in its place is escaped.
Html = Markup


@dataclass(frozen=True, slots=True)
class Fragment:
    """A section that another report adds to the page. The page's policy stops style and event attributes in it."""

    title: str
    body: Html
    note: str = ""


def render(report: RunReport, fragments: Sequence[Fragment | Html] = ()) -> str:
    """The page as text. Fragments follow the run's own sections, in their order."""
    sections = [found if isinstance(found, Fragment) else Fragment("More", found) for found in fragments]
    return render_template("page.html.j2", report=report, fragments=sections, title=report.title)


def render_template(name: str, **values: object) -> str:
    """A template of this package with the page's style, script and policy; other pages extend `shell.html.j2`."""
    css, js = asset("page.css"), asset("page.js")
    allowed = {"style-src": digest(css), "script-src": digest(js)}
    refused = dict.fromkeys(("default-src", "base-uri", "form-action"), "'none'")
    policy = "; ".join(f"{name} {value}" for name, value in {**refused, **allowed}.items())
    return environment().get_template(name).render(css=css, js=js, policy=policy, **values)


def digest(text: str) -> str:
    """The text's hash as a content security policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def environment() -> Environment:
    """Templates of this package: everything is escaped, an undefined name is an error."""
    made = Environment(
        loader=PackageLoader("rayjob.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"count": say_count, "short": short, "usd": say_usd, "seconds": say_s, "pct": say_pct}
    return made


def asset(name: str) -> Markup:
    """A style sheet or script of this package: our own text, put into the page as it is."""
    loader = environment().loader
    assert loader is not None
    return Markup(loader.get_source(environment(), name)[0])  # noqa: S704


def say_count(number: float) -> str:
    """1,234, and one digit behind the point where there is something and the number is small."""
    return f"{number:,.0f}" if number == int(number) or number >= 100 else f"{number:,.1f}"


def say_usd(amount: float) -> str:
    """$1,234.56; four digits for less than a dollar, where cents say nothing."""
    return f"${amount:,.2f}" if amount >= 1 or not amount else f"${amount:.4f}"


def say_pct(share: float) -> str:
    """35 %, 0.4 %, 0 %: a share given in percent."""
    return f"{share:.1f} %" if 0 < share < 10 else f"{share:.0f} %"
