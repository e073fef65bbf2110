"""What mkdocs does beside its own work: model cards, which lie beside the weights, become pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
_INCLUDE = re.compile(r"<!-- include (\S+) -->")


def on_page_markdown(markdown: str, **context: Any) -> str:  # noqa: ANN401 (mkdocs' own objects)
    """Put the file that a page names in its place; its links into `docs/` and to other cards become those of a page."""

    def text(found: re.Match[str]) -> str:
        card = re.sub(r"\]\(([\w-]+)\.md\)", _to_card, (_ROOT / found[1]).read_text())
        return card.replace("](../../../docs/", "](")

    return _INCLUDE.sub(text, markdown)


def _to_card(found: re.Match[str]) -> str:
    return f"](model_card_{found[1].replace('-', '_')}.md)"
