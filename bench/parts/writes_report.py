"""The figures of `./dev bench writes` as Markdown."""
from parts.ann_front import at_recall
from parts.ann_table import TARGETS, shown
from parts.table import table


def of_writes(found):
    def row(title, turns):
        last = turns[len(turns) // 2]
        said = ", ".join(f"{count} {name}" for name, count in sorted(last["requests"].items()))
        cpu = sorted(one["cpu_seconds"] for one in turns)
        return (title, f"{sum(last['requests'].values())}: {said}", f"{last['bytes_written'] / 2**20:.2f} MiB",
                f"{cpu[len(cpu) // 2]:.2f} s (most {cpu[-1]:.2f})", f"{sorted(one['seconds'] for one in turns)[len(turns) // 2]:.2f} s")

    head = (f"on an index of {found['rows']:,} rows, a process each, on the emulator", "requests", "bytes written",
            "CPU of the process", "time")
    lines = table(head, [row("import of all, one go", [found["build"]]), row("a commit of one row", found["one_row"]),
                         row("an append of 1,000 rows, read from JSON", found["append"])])
    lines += ["", *table(("after so many commits", "a search in a fresh process, with opening", "bytes", "segments"), [
        (f"{one['commits']:,}", f"{one['all_requests']} requests", f"{one['bytes'] / 2**20:.2f} MiB", one["segments"])
        for one in found["opening"]])]
    return lines


def of_builds(found):
    rows = []
    for name, title in (("small", "1,000 small commits, then compacted"), ("whole", "one go")):
        one = found[name]
        size = sum(one["build"]["bytes"][part] for part in ("codes", "refine", "directory", "tree"))
        rows.append((title, *(shown(at_recall(one["points"], target)) for target in TARGETS),
                     f"{max(point['recall'] for point in one['points']):.4f}", f"{size / one['rows']:.1f}",
                     f"{one['build']['seconds']:.1f} s"))
    return table((f"{found['whole']['rows']:,} rows, built by", "QPS at .95", "at .99", "best recall", "bytes a row", "time"), rows)


def all_tables(report):
    machine = report["machine"]
    lines = [f"{machine['cpu']}, {machine['cores']} cores; commit {machine['commit']}; {report['seconds'] / 60:.0f} min", "",
             *of_writes(report["writes"]), "", *of_builds(report["builds"]), ""]
    lines += [f"`kedge {name}`, a whole process: {one['p50_ms']} ms in the median, {one['most_ms']} ms at most, of 50"
              for name, one in report["starts"].items()]
    if report["noisy"]:
        lines += ["", f"Others computed meanwhile (cores busy): {report['noisy']}. Repeat it on a quiet machine."]
    return "\n".join(lines)
