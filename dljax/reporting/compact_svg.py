"""A matplotlib figure as a small SVG file: text as text, stable ids, short numbers."""

import collections
import io
import re
from typing import Any

import matplotlib
from matplotlib.figure import Figure

FONTS = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"


def to_svg(figure: Figure, title: str) -> str:
    """The figure as a small SVG: text as text, numbers of two decimals, stable ids."""
    text = io.StringIO()
    settings: Any = {
        "svg.hashsalt": "dljax",
        "svg.fonttype": "none",
        "font.family": "DejaVu Sans",  # of matplotlib itself: alike on every machine
        "path.simplify": False,
    }
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context(settings):
        figure.savefig(text, format="svg", metadata=no_metadata)
    svg = _compact(text.getvalue())
    escaped = title.replace("&", "&amp;").replace("<", "&lt;")
    return svg.replace(">", f' role="img">\n<title>{escaped}</title>', 1)


# (pattern, replacement) of what a browser does not need, in this order.
COMPACT = (
    (r"<\?xml.*?<svg", "<svg"),
    (r"<metadata>.*?</metadata>", ""),
    (r"<!--.*?-->", ""),
    (r"font-family: [^;\"]*; ", ""),
    (r"\}</style>", "} text {font-family: " + FONTS + "}</style>"),
    (r' transform="rotate\(-?0[^"]*"', ""),
    (r'<path d="[^"]*" style="fill: none"/>', ""),
    (r' id="(?!m[0-9a-f]{10}")[^"]*"', ""),
    (r"\s*\n\s*", " "),
    (r"<g/>|</?g>", ""),
    (r"<defs> *</defs>", ""),
    (r"> +<", ">\n<"),
)


def _compact(svg: str) -> str:
    """An SVG of matplotlib without metadata, with short numbers and styles."""
    for pattern, replacement in COMPACT:
        svg = re.sub(pattern, replacement, svg, flags=re.S)
    tags = re.split(r"(<[^>]*>)", svg)  # text between tags stays as it is
    tags[1::2] = [_compact_tag(tag) for tag in tags[1::2]]
    return _share_styles("".join(tags)) + "\n"


def _share_styles(svg: str) -> str:
    """An SVG whose repeated styles are classes."""
    counts = collections.Counter(re.findall(r'style="([^"]*)"', svg))
    repeated = [style for style, count in counts.items() if count > 2]
    rules = ""
    for i, style in enumerate(repeated):
        svg = svg.replace(f'style="{style}"', f'class="s{i}"')
        rules += f" .s{i} {{{style}}}"
    return svg.replace("</style>", f"{rules}</style>", 1)


def _compact_tag(tag: str) -> str:
    """A tag with places to a tenth of a point, and a short style."""
    places = re.compile(r'( (?:d|x|y)=")([^"]*)')
    tag = places.sub(
        lambda m: m[1] + re.sub(r"\.0\b|(\.\d)\d+", r"\1", m[2]).strip(), tag
    )
    tag = re.sub(r"M ([\d.]+ [\d.]+) L \1(?=[ \"])", r"M\1h0", tag)
    tag = re.sub(r"(\d\.\d\d)\d+", r"\1", tag)
    tag = tag.replace("; stroke-linecap: square", "")
    return tag.replace(": ", ":").replace("; ", ";")
