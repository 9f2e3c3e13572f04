"""The figures of `./dev bench scale` as Markdown, and as an SVG on double logarithmic axes."""
import math
from html import escape

from parts.ann_front import at_recall
from parts.ann_table import points_of, shown
from parts.table import table

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 440, 80, 270, 44, 56
COLOURS = ("#e4572e", "#1f77b4", "#2ca02c", "#9467bd", "#8c564b")


def index_bytes(one):
    return sum(one["build"]["bytes"].values())


def read_bytes(one):
    return sum(one["build"]["bytes"][part] for part in ("codes", "refine", "directory", "tree"))


def lists_for(one, target):
    """The fewest lists that reach the recall, with any number of rows measured exactly."""
    enough = [point["probes"] for point in one["points"] if point["recall"] >= target]
    return min(enough, default=0)



def rows_of_table(sizes):
    def line(title, value):
        return (title, *(value(one) for one in sizes))

    def cold(number):
        return lambda one: (f"{one['cold'][number]['recall']:.3f}: {one['cold'][number]['requests']:.0f}, "
                            f"{one['cold'][number]['bytes'] / 2**20:.1f} MiB, {one['cold'][number]['rounds']:.1f}")

    return [
        line("index, all planes", lambda one: f"{index_bytes(one) / 2**30:.2f} GiB, {index_bytes(one) / one['rows']:,.0f} a row"),
        line("codes, refine rows, directory, tree",
             lambda one: f"{read_bytes(one) / one['rows']:.1f} bytes a row"),
        line("lists", lambda one: f"{one['lists']:,}"),
        line("build: time, both cores", lambda one: f"{one['build']['seconds']:,.1f} s"),
        line("build: vectors a CPU second", lambda one: f"{one['build']['vectors_per_cpu_second']:,.0f}"),
        line("build: `--memory`, measured peak, index by memory",
             lambda one: f"{one['memory_mib']} MiB, {one['build']['peak_mib']:,.0f} MiB, "
                         f"{index_bytes(one) / 2**20 / one['memory_mib']:.1f}"),
        line("warm, one thread: QPS at .95", lambda one: shown(at_recall(points_of({"kedge": one}), 0.95))),
        line("lists for .95", lambda one: f"{lists_for(one, 0.95):,}"),
        line("opening: requests, bytes",
             lambda one: f"{one['cold'][0]['open_requests']:.0f}, {one['cold'][0]['open_bytes'] / 2**20:.2f} MiB"),
        line("cold, `--recall 0.9`: recall: requests, bytes, rounds", cold(0)),
        line("cold, `--recall 0.95`: recall: requests, bytes, rounds", cold(1)),
    ]


def all_tables(report):
    machine, sizes = report["machine"], report["sizes"]
    lines = [f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB; {sizes[0]['simd']} kernels; commit "
             f"{machine['commit']}; {report['seconds'] / 60:.0f} min", "",
             *table(("made vectors, 384 dimensions, cosine", *(f"{one['rows']:,}" for one in sizes)), rows_of_table(sizes))]
    if report["noisy"]:
        lines += ["", f"Others computed meanwhile (cores busy): {report['noisy']}. Repeat it on a quiet machine."]
    return "\n".join(lines)


def series_of(sizes):
    def warm(one):
        found = at_recall(points_of({"kedge": one}), 0.95)
        return 1e6 / found[0] if found else None

    return [("build, seconds", [one["build"]["seconds"] for one in sizes]),
            ("peak memory of the build, MiB", [one["build"]["peak_mib"] for one in sizes]),
            ("warm query at .95, microseconds", [warm(one) for one in sizes]),
            ("cold query at .95, requests", [one["cold"][1]["requests"] for one in sizes]),
            ("cold query at .95, MiB", [one["cold"][1]["bytes"] / 2**20 for one in sizes])]


def svg(sizes):
    series = [(name, [(one["rows"], value) for one, value in zip(sizes, values) if value]) for name, values in series_of(sizes)]
    logs = [math.log10(value) for _, points in series for _, value in points]
    low, high = math.floor(min(logs)), math.ceil(max(logs))
    first, last = math.log10(sizes[0]["rows"]), math.log10(sizes[-1]["rows"])

    def place(rows, value):
        across = LEFT + (math.log10(rows) - first) / max(last - first, 1e-9) * (WIDTH - LEFT - RIGHT)
        return across, HEIGHT - BOTTOM - (math.log10(value) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
           f'<text x="{LEFT}" y="24" font-size="15">What grows with the rows</text>']
    for decade in range(low, high + 1):
        _, up = place(sizes[0]["rows"], 10 ** decade)
        out.append(f'<path d="M{LEFT} {up:.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{up + 4:.1f}" text-anchor="end">{10.0 ** decade:,.15g}</text>')
    for one in sizes:
        across, _ = place(one["rows"], 10 ** low)
        out.append(f'<text x="{across:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{one["rows"]:,} rows</text>')
    for number, (name, points) in enumerate(series):
        colour = COLOURS[number]
        places = [place(*point) for point in points]
        out.append(f'<path d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in places)}" fill="none" stroke="{colour}" '
                   'stroke-width="2"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        top = TOP + 8 + 22 * number
        out.append(f'<path d="M{WIDTH - RIGHT + 14} {top}h20" stroke="{colour}" stroke-width="2"/>')
        out.append(f'<text x="{WIDTH - RIGHT + 40}" y="{top + 4}">{escape(name)}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"
