"""How Sphinx builds the documentation. Nothing is fetched from the network."""

from importlib.metadata import version as installed_version

project = "Usher"
author = "The Usher authors"
copyright = "2026, The Usher authors"  # noqa: A001
version = release = installed_version("flask-usher")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "Usher"
html_copy_source = False
html_show_sphinx = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
