"""Templates of the pages, and their embedded style sheets and scripts."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_LOADER = PackageLoader("unclouded.report", ".")
_ENVIRONMENT = Environment(
    loader=_LOADER, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def own_file(name: str) -> Markup:
    """A style sheet or script of the package, which is embedded without escaping."""
    return Markup(_LOADER.get_source(_ENVIRONMENT, name)[0])


def render(template: str, **values: object) -> str:
    """Render a template; texts among the values are escaped."""
    return _ENVIRONMENT.get_template(template).render(**values)
