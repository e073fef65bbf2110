"""The templates of the pages, and the styles and scripts that are put into them."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_LOADER = PackageLoader("unclouded.report", ".")
_ENVIRONMENT = Environment(
    loader=_LOADER, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def own_file(name: str) -> Markup:
    """A style sheet or script of the package, which holds no data and stands on a page as it is."""
    return Markup(_LOADER.get_source(_ENVIRONMENT, name)[0])


def render(template: str, **values: object) -> str:
    """Fill a template in; texts among the values are escaped."""
    return _ENVIRONMENT.get_template(template).render(**values)
