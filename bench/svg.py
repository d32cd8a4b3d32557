# SPDX-License-Identifier: Apache-2.0
"""Plots as SVG text: horizontal bars with a line at the goal, and lines over time."""
from xml.sax.saxutils import escape

COLOURS = ("#1668a8", "#d1701d", "#3d8b37", "#8a4fa3", "#a83232", "#6b6b6b", "#b59b00", "#2aa1a1")
FONT = 'font-family="sans-serif" font-size="12"'


def _text(x, y, text, anchor="start", extra=""):
    return '<text x="%.1f" y="%.1f" text-anchor="%s" %s%s>%s</text>' % (
        x, y, anchor, FONT, extra, escape(text))


def _frame(width, height, title, parts):
    return "\n".join(
        ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d">' %
         (width, height, width, height), '<rect width="100%" height="100%" fill="white"/>',
         _text(10, 20, title, extra=' font-weight="bold"')] + parts + ["</svg>", ""])


def bars(title, rows, unit="", goal=None):
    """rows: (label, median, [all values]). A dot for every value, a dashed line at the goal."""
    rows = [row for row in rows if row[1] is not None]
    left, width, step = 190, 720, 28
    top = 36
    height = top + step * len(rows) + 34
    most = max([value for _, middle, every in rows for value in [middle] + list(every)] +
               [goal or 0, 1e-9]) * 1.12
    scale = (width - left - 60) / most
    parts = []
    for index, (label, middle, every) in enumerate(rows):
        y = top + index * step
        parts.append(_text(left - 8, y + 16, label, "end"))
        parts.append('<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>' %
                     (left, y + 4, middle * scale, step - 10, COLOURS[index % len(COLOURS)]))
        for value in every:
            parts.append('<circle cx="%.1f" cy="%.1f" r="2.5" fill="black"/>' %
                         (left + value * scale, y + step / 2 - 1))
        parts.append(_text(left + max([middle] + list(every)) * scale + 8, y + 16, "%.2f" % middle))
    if goal is not None:
        x = left + goal * scale
        parts.append('<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="black" '
                     'stroke-dasharray="5,4"/>' % (x, top - 4, x, height - 26))
        parts.append(_text(x, height - 10, "goal %g" % goal, "middle"))
    if unit:
        parts.append(_text(width - 10, height - 10, unit, "end"))
    return _frame(width, height, title, parts)


def lines(title, series, x_unit, y_unit):
    """series: (label, [(x, y)])."""
    width, height, left, bottom, top = 720, 360, 60, 310, 40
    points = [point for _, many in series for point in many]
    x_most = max([x for x, _ in points] + [1e-9])
    y_most = max([y for _, y in points] + [1e-9]) * 1.05
    parts = ['<polyline points="%d,%d %d,%d %d,%d" fill="none" stroke="black"/>' %
             (left, top, left, bottom, width - 150, bottom)]
    span = width - 150 - left
    for part in range(5):
        parts.append(_text(left + span * part / 4, bottom + 16, "%.4g" % (x_most * part / 4), "middle"))
        parts.append(_text(left - 6, bottom - (bottom - top) * part / 4 + 4,
                           "%.3g" % (y_most * part / 4), "end"))
    for index, (label, many) in enumerate(series):
        colour = COLOURS[index % len(COLOURS)]
        path = " ".join("%.1f,%.1f" % (left + x / x_most * span, bottom - y / y_most * (bottom - top))
                        for x, y in many)
        parts.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="1.5"/>' %
                     (path, colour))
        if index < 14:
            parts.append(_text(width - 142, top + 10 + index * 18, label,
                               extra=' fill="%s"' % colour))
    parts.append(_text(left + span / 2, bottom + 36, x_unit, "middle"))
    parts.append(_text(10, top - 6, y_unit))
    return _frame(width, height, title, parts)
