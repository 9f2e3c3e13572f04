"""Recall against queries a second, of every engine on one set, as an SVG without any library."""
import math
from html import escape

from parts.ann_front import front
from parts.ann_table import points_of

WIDTH, HEIGHT = 860, 480
LEFT, RIGHT, TOP, BOTTOM = 80, 190, 44, 56
FIRST_RECALL = 0.8
COLOURS = ("#1f77b4", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf", "#ff7f0e", "#3b3b3b")
KEDGE_COLOURS = ("#e4572e", "#a4161a", "#660708")


def plotted(found):
    """(engine, its front from FIRST_RECALL on), fastest first; without those that never reach it."""
    lines = ((figures["engine"], [point for point in front(points_of(figures)) if point["recall"] >= FIRST_RECALL])
             for figures in found)
    return sorted((line for line in lines if line[1]), key=lambda line: -line[1][0]["qps"])


def scale(lines):
    """Functions from recall and from queries a second to a place, and the decades between."""
    speeds = [point["qps"] for _, points in lines for point in points]
    low, high = math.floor(math.log10(min(speeds))), math.ceil(math.log10(max(speeds)) + 1e-9)

    def across(recall):
        return LEFT + (recall - FIRST_RECALL) / (1 - FIRST_RECALL) * (WIDTH - LEFT - RIGHT)

    def up(speed):
        return HEIGHT - BOTTOM - (math.log10(speed) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    return across, up, range(low, high + 1)


def svg(title, found):
    """None where there is nothing to see."""
    lines = plotted(found)
    if not lines:
        return None
    across, up, decades = scale(lines)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
           f'<text x="{LEFT}" y="24" font-size="15">{escape(title)}</text>']
    for step in range(5):
        recall = FIRST_RECALL + step * 0.05
        out.append(f'<path d="M{across(recall):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#dddddd"/>')
        out.append(f'<text x="{across(recall):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{recall:.2f}</text>')
    for decade in decades:
        place = up(10 ** decade)
        out.append(f'<path d="M{LEFT} {place:.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{place + 4:.1f}" text-anchor="end">{10 ** decade:,}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 14}" text-anchor="middle">recall of the 10 nearest'
               '</text>')
    out.append(f'<text x="18" y="{HEIGHT / 2:.0f}" text-anchor="middle" transform="rotate(-90 18 {HEIGHT / 2:.0f})">queries a '
               'second, one thread</text>')
    colours = {True: iter(KEDGE_COLOURS), False: iter(COLOURS)}
    for number, (engine, points) in enumerate(lines):
        ours = engine.startswith("kedge")
        colour, width = next(colours[ours], "#000000"), 3 if ours else 1.5
        path = "L".join(f"{across(point['recall']):.1f} {up(point['qps']):.1f}" for point in points)
        out.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
        out += [f'<circle cx="{across(point["recall"]):.1f}" cy="{up(point["qps"]):.1f}" r="{width}" fill="{colour}"/>'
                for point in points]
        place = TOP + 8 + 20 * number
        out.append(f'<path d="M{WIDTH - RIGHT + 14} {place}h24" stroke="{colour}" stroke-width="{width}"/>')
        weight = ' font-weight="bold"' if ours else ""
        out.append(f'<text x="{WIDTH - RIGHT + 46}" y="{place + 4}"{weight}>{escape(engine)}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"
