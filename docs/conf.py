"""How the pages are built: `make docs`. What is generated from the code: see `_ext`."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "pytest-storagefirst"
version = release = version_of("pytest-storagefirst")

extensions = ["myst_parser", "generated"]
exclude_patterns = ["_build", "_ext"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "pytest-storagefirst"
html_static_path = ["_static"]
html_css_files = ["own.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
nitpicky = True
smartquotes = False  # values in tables are to be copied as they stand
