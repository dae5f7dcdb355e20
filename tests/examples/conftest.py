"""A folder of small documents for the example to work on."""

from pathlib import Path

import pytest

TEXTS = {
    "tea.md": (
        "# Tea\n\nTea is brewed from the leaves of one plant, which grows on mountain slopes. "
        "Green tea is steeped at eighty degrees so that it does not turn bitter.\n\n"
        "```\nkettle --boil\n```\n\nBlack tea is steeped with boiling water for three to five minutes."
    ),
    "coffee.txt": (
        "Coffee is brewed from roasted beans that were ground shortly before. "
        "An espresso is made by pressing hot water through fine grounds at nine bars.\n\n"
        "Coffee keeps its aroma for about two weeks after roasting."
    ),
    "notes/water.rst": (
        "Water\n=====\n\nWater that is too hard makes tea cloudy and dulls the taste of coffee.\n\n"
        ".. code:: sh\n\n    filter --hard\n\nSoft water is better for both of them, and spares the kettle."
    ),
}


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """Three documents, one of them in a folder of its own."""
    folder = tmp_path / "documents"
    for name, text in TEXTS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder
