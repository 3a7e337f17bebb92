"""The site: `make docs` builds it without a network."""

import base64
import io
from importlib.metadata import version as version_of

from matplotlib.figure import Figure


def to_html(figure: Figure) -> str:
    """A figure that ends a block of the gallery, which looks for those of pyplot alone."""
    png = io.BytesIO()
    figure.savefig(png, format="png")
    data = base64.b64encode(png.getvalue()).decode()
    return f'<img alt="The figure that this code draws" src="data:image/png;base64,{data}">'


Figure._repr_html_ = to_html

project = "auralise"
author = "the auralise contributors"
version = release = version_of("auralise")
extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["build", "examples", "sg_execution_times.rst", "**/sg_execution_times.rst"]
html_theme = "furo"
html_title = "auralise"
html_show_sourcelink = False
autodoc_typehints = "none"
autosummary_generate = True
numpydoc_show_class_members = False
suppress_warnings = ["config.cache", "myst.xref_missing"]
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "download_all_examples": False,
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "show_memory": False,
}
