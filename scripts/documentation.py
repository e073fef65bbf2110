"""What mkdocs does beside its own work: model cards, which lie beside the weights, become pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
_INCLUDE = re.compile(r"<!-- include (\S+) -->")


def on_page_markdown(markdown: str, **context: Any) -> str:  # noqa: ANN401 (mkdocs' own objects)
    """Put the file that a page names in its place; its links into `docs/` become links of a page there."""

    def text(found: re.Match[str]) -> str:
        return (_ROOT / found[1]).read_text().replace("](../../../docs/", "](")

    return _INCLUDE.sub(text, markdown)
