"""A report as one HTML file, which holds its own figures and asks for nothing else."""

import base64
import html
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from common.errors import InputError
from common.storage.files import written_aside

INDEX = "index.html"
FILES = "report-files"  # names the files that lie beside the page, within it
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; }
figure { margin: 1rem 0 2.5rem; }
img { max-width: 100%; }
figcaption { max-width: 48rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; }
th, td { padding: 0.15rem 0.6rem; text-align: right; border-bottom: 1px solid #ddd; }
th { position: sticky; top: 0; background: #fff; }
tbody th, td.text { text-align: left; }
"""


@dataclass(frozen=True)
class Section:
    """A figure or a table with its text.

    Attributes:
        title: also names the figure's file.
        content: what is shown.
        caption: what one should see, and what a sick one looks like.
    """

    title: str
    content: Figure | pd.DataFrame
    caption: str

    @property
    def name(self) -> str:
        """The title in lower case, its words joined by underscores."""
        return re.sub(r"\W+", "_", self.title.lower()).strip("_")


@dataclass
class Page:
    """Sections under one title.

    Example:
        >>> page = Page("Run small")
        >>> page.add("Learning curves", Figure(), "Both losses should fall.")
        >>> page.sections[0].name
        'learning_curves'
    """

    title: str
    introduction: str = ""
    sections: list[Section] = field(default_factory=list)

    def add(self, title: str, content: Figure | pd.DataFrame, caption: str) -> None:
        """Append a section, see `Section`."""
        self.sections.append(Section(title, content, caption))

    def save(self, folder: Path) -> Path:
        """Write `index.html`, each figure as a PNG, and each table as a CSV; those of an earlier report are removed.

        Args:
            folder: created if missing.

        Returns:
            The path of `index.html`.

        Raises:
            InputError: the folder has an `index.html` that is no report.
        """
        for name in earlier_files(folder):
            (folder / name).unlink(missing_ok=True)
        parts, names = [], []
        for number, section in enumerate(self.sections, start=1):
            content = section.content
            if isinstance(content, Figure):
                suffix, data = ".png", figure_to_png(content)
            else:
                suffix, data = ".csv", content.to_csv().encode()
            names.append(f"{number:02}_{section.name}{suffix}")
            with written_aside(folder / names[-1]) as aside:
                aside.write_bytes(data)
            parts.append(_section(number, section, data))
        path = folder / INDEX
        with written_aside(path) as aside:
            aside.write_text(_document(self, parts, names), encoding="utf-8")
        return path


def earlier_files(folder: Path) -> list[str]:
    """Return the names of the figures and tables that an earlier report wrote to a folder.

    Raises:
        InputError: the folder has an `index.html` that is no report.
    """
    path = folder / INDEX
    if not path.is_file():
        return []
    found = re.search(f'<meta name="{FILES}" content="([^"]*)">', path.read_text(encoding="utf-8", errors="replace"))
    if found is None:
        raise InputError(f"{path}: was not written by a report; give another folder")
    return [name for name in found[1].split() if re.fullmatch(r"\d+_\w*\.(png|csv)", name)]


def literal(text: str) -> str:
    r"""Return a text that Matplotlib draws as it is: names are no formulas, and none is missing from a legend.

    Example:
        >>> print(literal("_$5 and $6"))
         _\$5 and \$6
    """
    return (f" {text}" if text.startswith("_") else text).replace("$", r"\$")


def figure_to_png(figure: Figure, dots_per_inch: int = 110) -> bytes:
    """Render a figure as a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dots_per_inch)
    return file.getvalue()


def _section(number: int, section: Section, data: bytes) -> str:
    title, caption = html.escape(section.title), html.escape(section.caption)
    if isinstance(section.content, Figure):
        source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
        content = f'<img alt="{title}" src="{source}">'
    else:
        content = f'<div class="table">{_table(section.content)}</div>'
    return f'<h2 id="s{number}">{title}</h2>\n<figure>\n{content}\n<figcaption>{caption}</figcaption>\n</figure>'


def _table(table: pd.DataFrame) -> str:
    return table.to_html(border=0, escape=True, float_format=lambda value: f"{value:.4g}")


def _document(page: Page, parts: Sequence[str], files: Sequence[str]) -> str:
    contents = "\n".join(
        f'<li><a href="#s{number}">{html.escape(section.title)}</a></li>'
        for number, section in enumerate(page.sections, start=1)
    )
    title = html.escape(page.title)
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f'<meta name="{FILES}" content="{" ".join(files)}">',
            f"<title>{title}</title><style>{STYLE}</style></head><body>",
            f"<h1>{title}</h1><p>{html.escape(page.introduction)}</p><ol>{contents}</ol>",
            *parts,
            "</body></html>\n",
        )
    )
