"""Sphinx configuration: `make docs` builds docs/_build/html without the network."""

import re
from importlib import metadata

from sphinx.domains.python import PyObject

project = "dljax"
release = metadata.version("dljax")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
nitpicky = False
default_role = "code"  # docstrings quote code as `x`
add_module_names = False
python_use_unqualified_type_names = True

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_attr_annotations = False  # signatures show the types

html_theme = "furo"
html_title = f"dljax {release}"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False

SECTION = re.compile(r"(Args|Returns|Raises|Yields|Attributes|Example|Examples):")
FIELD = re.compile(r"([\w.]+(?:, [\w.]+)*)(\([^:]*\) -> .*|: .*)")  # name: text
COLUMNS = re.compile(r"(\S+(?: \S+)*?)\s{2,}(\S.*)")  # name   text
STAR = re.compile(r"(`[^`]*`|\*\w[^*]*\*)|\*")  # code or emphasis, or a lone star


def to_restructured_text(app, what, name, obj, options, lines):
    """Makes reStructuredText of the lists that docstrings write as aligned lines.

    In docstrings, outside of the sections that napoleon reads, a paragraph may list
    names, one on a line: `name: text` or `name   text`, continued by indented lines.
    """
    if isinstance(lines, list) and lines and lines[0].startswith("Alias for field"):
        lines[:] = []
    out, paragraph, in_section = [], [], False
    for line in [*lines, ""]:
        if SECTION.fullmatch(line):
            in_section = True
        elif line and not line.startswith(" "):
            in_section = False
        if in_section:
            out += [*_paragraph(paragraph), STAR.sub(lambda m: m[1] or r"\*", line)]
            paragraph = []
        elif line.strip():
            paragraph.append(STAR.sub(lambda m: m[1] or r"\*", line))
        else:
            out += [*_paragraph(paragraph), ""]
            paragraph = []
    lines[:] = out


def _paragraph(lines):
    """A paragraph of a docstring as reStructuredText, a list where it lists names."""
    if not lines or lines[0].startswith(("* ", "- ", "1. ", ">>> ", ".. ", " ")):
        return lines
    hanging = any(line.startswith(" ") for line in lines)
    columns = hanging or len(lines) > 1
    columns = columns and all(
        COLUMNS.fullmatch(line) or line.startswith(" ") or following.startswith(" ")
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
    )
    pattern = COLUMNS if columns and any(map(COLUMNS.fullmatch, lines)) else FIELD
    names = [pattern.fullmatch(line) for line in lines]
    if pattern is FIELD and not (names[0] and (hanging or sum(map(bool, names)) > 1)):
        return [line.strip() for line in lines]
    items = []
    for line, match in zip(lines, names, strict=True):
        if match and not line.startswith(" "):
            items.append(f"* **{match[1]}** {match[2]}".replace("** :", "**:"))
        elif pattern is COLUMNS and not line.startswith(" "):
            items.append(f"* **{line}**")
        else:
            items.append("  " + line.strip())
    return ["", *items, ""]


def skip_fields(app, what, name, obj, skip, options):
    """Leaves out the fields of a NamedTuple, which its signature shows."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def link_outside(app, name, source):
    """Makes downloads of links to Markdown files outside of docs/."""
    outside = re.compile(r"\]\(((?:\.\./)+[A-Z]+\.md)(?:#[^)]*)?\)")
    source[0] = outside.sub(r"](path:\1)", source[0])


def setup(app):
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Fields"
    app.connect("source-read", link_outside)
    app.connect("autodoc-process-docstring", to_restructured_text, priority=400)
    app.connect("autodoc-skip-member", skip_fields)
