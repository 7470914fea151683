"""The README as a package index shows it: without links and pictures that lead nowhere there."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


def for_an_index(text: str) -> str:
    """Without pictures of the checkout and their captions; links into it become their words."""
    text = re.sub(r"!\[[^\]]*\]\((?!https?:)[^)]*\)\n+\*(.+?)\*\n+", "", text, flags=re.S)
    return re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]+\)", r"\1", text)


class Readme(MetadataHookInterface):
    """Sets the description of the package when it is built."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": for_an_index(text)}
