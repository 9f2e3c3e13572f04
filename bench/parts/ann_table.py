"""The figures of `./dev bench ann` as Markdown: one table a set."""
from parts import ann_sets
from parts.ann_front import at_recall
from parts.table import table

TARGETS = (0.95, 0.99)
INDEX_PARTS = ("codes", "refine", "directory", "tree")  # what Kedge's search by vector reads, but for exact vectors


def points_of(figures):
    return figures["kedge"]["points"] if "kedge" in figures else figures["search"]["points"]


def costs(figures):
    """(vectors a CPU second, bytes a vector without the exact vectors that only refine, bytes with them)."""
    if "kedge" not in figures:
        build = figures["build"]
        rows = build["rows"]
        return rows / max(build["cpu_seconds"], 1e-3), build["index_bytes"] / rows, build["bytes"] / rows
    build, rows = figures["kedge"]["build"], figures["kedge"]["rows"]
    index = sum(build["bytes"].get(part, 0) for part in INDEX_PARTS)
    return build["vectors_per_cpu_second"], index / rows, (index + build["bytes"].get("vectors", 0)) / rows


def shown(speed):
    return "-" if speed is None else f"{'≥ ' if speed[1] else ''}{speed[0]:,.0f}"


def best_point(points, target):
    """The setting of the fastest point that is at least as good."""
    enough = [point for point in points if point["recall"] >= target]
    if not enough:
        return "-"
    point = max(enough, key=lambda point: point["qps"])
    names = [name for name in ("probes", "rerank", "k_factor", "refine", "ef") if point.get(name)]
    return ", ".join(f"{name} {point[name]:g}" for name in names) + f" ({point['recall']:.3f})" if names else "all"


def ratio_lines(found):
    """How many times the best peer each path of Kedge is."""
    peers = [figures for figures in found if "kedge" not in figures]
    for figures in found:
        if "kedge" not in figures or not peers:
            continue
        said = []
        for target in TARGETS:
            speeds = {one["engine"]: at_recall(points_of(one), target) for one in peers}
            best = max((name for name in speeds if speeds[name]), key=lambda name: speeds[name][0], default=None)
            ours = at_recall(points_of(figures), target)
            if best and ours:
                bound = "at least " if ours[1] and not speeds[best][1] else "about " if ours[1] or speeds[best][1] else ""
                said.append(f"{bound}{ours[0] / speeds[best][0]:.2f} times {best} at {target}")
        yield f"{figures['engine']}: " + ("; ".join(said) or "reaches neither recall, or no peer does")


def of_set(name, measured):
    described, found = measured["set"], measured["engines"]
    kind = ann_sets.kind_of(name)
    rows = []
    for figures in sorted(found, key=lambda one: -(at_recall(points_of(one), TARGETS[0]) or (0, 0))[0]):
        speed, index, whole = costs(figures)
        rows.append((figures["engine"], *(shown(at_recall(points_of(figures), target)) for target in TARGETS),
                     f"{speed:,.0f}", f"{index:,.0f}", f"{whole:,.0f}", best_point(points_of(figures), TARGETS[0])))
    head = ("engine", "QPS at .95", "at .99", "build, vectors/s/core", "bytes a vector", "with vectors to refine",
            "fastest ≥ .95")
    lines = [f"**{name}**: {described['rows']:,} x {described['dimension']}, {kind.title}; {described['queries']:,} queries; "
             f"data {described['sha256'][described['base']][:12]}", "", *table(head, rows), "", *ratio_lines(found)]
    for figures in found:
        ours = figures.get("kedge", {})
        for part, title in (("threads_all", "a query each"), ("batch", "all queries in one call")):
            if ours.get(part):
                lines.append(f"{figures['engine']} on {ours['all_threads']} threads, {title}: "
                             f"{shown(at_recall(ours[part], .95))} at .95, {shown(at_recall(ours[part], .99))} at .99")
    reused = [figures["engine"] for figures in found if figures.get("reused")]
    cut = [figures["engine"] for figures in found if figures.get("search", {}).get("cut")]
    if reused:
        lines.append(f"Reused from an earlier run: {', '.join(reused)}.")
    if cut:
        lines.append(f"Sweep cut by its time limit: {', '.join(cut)}.")
    return lines


def all_tables(report):
    machine = report["machine"]
    lines = [f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB; commit {machine['commit']}; one "
             f"thread, one query at a time, k = 10{report['note']}; all of it took {report['seconds'] / 60:.0f} min"]
    for name, measured in report["sets"].items():
        lines += ["", *of_set(name, measured)]
    if report.get("lance_call_us"):
        lines += ["", f"LanceDB: {report['lance_call_us'] / 1e3:.1f} ms of each answer are its Python call (100 rows, median)."]
    if report.get("noisy"):
        lines += ["", f"Others computed meanwhile (cores busy): {report['noisy']}. Repeat it on a quiet machine."]
    return "\n".join(lines)
