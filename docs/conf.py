"""Build the documentation with Sphinx: `make docs`.

The source folder is the repository, so that pages can link to the README, the data dictionary and
each other with the relative links that also work where the files are browsed.
"""

project = "argos-sync"
author = "The argos-sync authors"
root_doc = "docs/index"
include_patterns = ["*.md", "docs/*.md", "docs/*/*.md", "schemas/README.md"]
exclude_patterns = [".*", "dist", "docs/_build", "pipelines", "tests"]

extensions = ["myst_parser", "sphinxcontrib.mermaid"]
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 3  # as many levels as pages link to

html_theme = "furo"
html_title = "argos-sync"
html_extra_path = ["redirect"]  # index.html leads to docs/index.html
html_copy_source = False
html_show_copyright = False
