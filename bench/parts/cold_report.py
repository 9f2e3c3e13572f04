"""The figures of `./dev bench cold` as Markdown, and the time line of a cold search as an SVG."""
from html import escape

from parts.cold_model import MEDIAN
from parts.table import table

WIDTH, LEFT, TOP, AFTER = 860, 24, 58, 24
OURS, THEIRS = "#e4572e", "#1f77b4"


def median(values):
    return sorted(values)[len(values) // 2]


def both(times):
    return f"{times['p50'] * 1e3:,.0f} / {times['p99'] * 1e3:,.0f} ms"


def ratios(row):
    """How the search compares with the model, and with the median of a request, bytes taken out."""
    model = row["model"]
    bytes_seconds = row["bytes_seconds"]
    return "; ".join(f"{name}: {row['search'][name] / model[name]:.2f} of the model, "
                     f"{(row['search'][name] - bytes_seconds) / MEDIAN:.1f} medians and the bytes" for name in ("p50", "p99"))


def of_set(name, found, bandwidth):
    ours, theirs, goal = found["kedge"], found.get("lance", {}), found["goal"]
    shapes = [rounds for rounds, _ in ours["shapes"]]
    lines = [f"**{name}**: {ours['build']['rows']:,} rows; recall@10 {ours['recall']:.3f} (--recall {ours['asked_recall']}); "
             f"{ours['opening']} requests to open, {median([rounds[0] for rounds in shapes])} + "
             f"{median([sum(rounds[1:2]) for rounds in shapes])} in the first two rounds after that (medians)"]
    rows = []
    for delay, row in ours["delays"].items():
        row["bytes_seconds"] = (row["bytes"]["p50"] - ours["open_bytes"]) / bandwidth
        rows.append((delay, "Kedge", both(row["open"]), both(row["search"]), both(row["both"]),
                     f"{row['requests']['p50']} (most {row['requests']['most']}), {row['hedges']} sent twice",
                     f"{row['bytes']['p50'] / 2**20:.1f} MiB", both(row["model"])))
        for threads, one in theirs.get("delays", {}).get(delay, {}).items():
            rows.append((delay, f"LanceDB, {threads} threads", "", f"later ones {both(one['later'])}", both(one["first"]),
                         one["requests"], f"{one['bytes'] / 2**20:.1f} MiB", ""))
    lines += ["", *table(("each request", "", "opening, p50 / p99", "search", "first search, with opening", "requests", "bytes",
                          "model of the search"), rows), ""]
    lines += [f"{delay}: {row['rounds']} rounds on average, a third in {row['third_rounds']} of {row['runs']}; {ratios(row)}" for delay, row in ours["delays"].items()]
    row = next(iter(ours["delays"].values()))
    after = {name: row["without_hedges"][name] - ours["opening"] for name in ("p50", "most")}
    read = {name: (row["bytes"][name] - ours["open_bytes"]) / 2**20 for name in ("p50", "most")}
    lines.append(f"Goals, after opening: {goal['requests']} requests before hedges (here {after['p50']} in the median, "
                 f"{after['most']} at most), {goal['mebibytes']} MiB (here {read['p50']:.1f} and {read['most']:.1f})")
    for delay, threads in theirs.get("delays", {}).items():
        best = min(threads.values(), key=lambda one: one["first"]["p50"])
        lines.append(f"{delay}: first search to first search {best['first']['p50'] / ours['delays'][delay]['both']['p50']:.1f} "
                     f"times faster than LanceDB's better setting")
    if theirs.get("setting"):
        setting = theirs["setting"]
        lines.append(f"LanceDB: IVF_RQ, {theirs['build']['lists']} lists, nprobes {setting['probes']}, refine factor "
                     f"{setting['refine']}: recall {setting['recall']:.3f}")
    return lines


def all_tables(report):
    machine = report["machine"]
    lines = [f"{machine['cpu']}, {machine['cores']} cores; commit {machine['commit']}; emulator at "
             f"{report['bandwidth'] / 1e6:.0f} MB/s in all{report['note']}; {report['seconds'] / 60:.0f} min"]
    for name, found in report["sets"].items():
        lines += ["", *of_set(name, found, report["bandwidth"])]
    if report["noisy"]:
        lines += ["", f"Others computed meanwhile (cores busy): {report['noisy']}. Repeat it on a quiet machine."]
    return "\n".join(lines)


def bars(records, top, height, scale, colour):
    """A line for each request, from when it came until its answer was out."""
    begin = min(one["began_us"] for one in records)
    step = min(6.0, height / len(records))
    return [f'<rect x="{LEFT + (one["began_us"] - begin) * scale:.1f}" y="{top + number * step:.1f}" '
            f'width="{max(1.0, (one["ended_us"] - one["began_us"]) * scale):.1f}" height="{max(0.6, step * 0.8):.2f}" '
            f'fill="{colour}"/>' for number, one in enumerate(sorted(records, key=lambda one: one["began_us"]))]


def span(records):
    return max(one["ended_us"] for one in records) - min(one["began_us"] for one in records)


def svg(name, found):
    """Every request of one cold search, opening included, beside LanceDB's; None where there is only one of them."""
    ours, theirs = found["kedge"].get("records"), found.get("lance", {}).get("records")
    if not ours:
        return None
    sides = [("Kedge", ours, OURS)]
    if theirs:
        sides.append(("LanceDB, 64 threads", theirs, THEIRS))
    longest = max(span(records) for _, records, _ in sides)
    scale = (WIDTH - 2 * LEFT - AFTER) / longest
    out, top = [], TOP
    for title, records, colour in sides:
        height = min(300.0, 6.0 * len(records))
        out.append(f'<text x="{LEFT}" y="{top - 6:.0f}">{escape(title)}: {len(records)} requests, '
                   f'{span(records) / 1e3:,.0f} ms</text>')
        out += bars(records, top, height, scale, colour)
        top += height + 34
    marks, every = [], 100_000 if longest < 2_000_000 else 500_000
    for at in range(0, int(longest) + 1, every):
        x = LEFT + at * scale
        marks.append(f'<path d="M{x:.1f} {TOP - 2}V{top - 18:.0f}" stroke="#dddddd"/>')
        marks.append(f'<text x="{x:.1f}" y="{top - 2:.0f}" text-anchor="middle" font-size="11">{at // 1000} ms</text>')
    head = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 12:.0f}" font-family="sans-serif" '
            'font-size="13">', f'<rect width="{WIDTH}" height="{top + 12:.0f}" fill="#ffffff"/>',
            f'<text x="{LEFT}" y="24" font-size="15">{escape(name)}: the requests of one cold search, opening included; each '
            'takes 30 ms and its bytes</text>']
    return "\n".join([*head, *marks, *out, "</svg>"]) + "\n"
