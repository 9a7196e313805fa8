"""Write each notebook from its text: without outputs, and the same bytes for the same text.

    python notebooks/write.py

The texts beside this file, in Jupytext's percent format, are what is edited; the .ipynb files are what Colab, Kaggle
and Jupyter open.
"""

from pathlib import Path

import jupytext
import nbformat

FOLDER = Path(__file__).resolve().parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def texts() -> list[Path]:
    """Return the texts of all notebooks."""
    return sorted(path for path in FOLDER.glob("*.py") if path.resolve() != Path(__file__).resolve())


def notebook_of(text: str) -> str:
    """Return a notebook as the content of an .ipynb file.

    Args:
        text: in percent format.
    """
    notebook = jupytext.reads(text, "py:percent")
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number}", nbformat.NotebookNode()
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


if __name__ == "__main__":
    for path in texts():
        path.with_suffix(".ipynb").write_text(notebook_of(path.read_text(encoding="utf-8")), encoding="utf-8")
        print(f"wrote {path.with_suffix('.ipynb').name}")
