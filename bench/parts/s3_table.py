"""The figures of bench/s3.py as Markdown tables."""
from parts.table import table


def of_usage(usage):
    """Requests of a run and about what they cost, of the source and of the index."""
    parts = []
    for name, used in usage.items():
        counts = [f"{count:,} {word}" for word, count in used.items()
                  if not word.startswith("bytes") and word not in ("billed", "cost_usd")]
        parts.append(f"{name.split('_')[0]}: {', '.join(counts) or 'nothing'} (${used.get('cost_usd', 0):.5f})")
    return "; ".join(parts)


def of_main_job(found):
    first, judged = found["first_sync"], found["retrieval"]
    again, touched = found["second_sync"], found["all_touched"]
    return table(("SciFact whole in a bucket of versitygw, index beside it", "measured"), [
        (f"nDCG@10 of {judged['queries']} judged questions", f"{judged['ndcg_at_10']:.4f}"),
        (f"first sync: {first['abstracts']:,} objects, {first['chunks']:,} chunks",
         f"{first['seconds']:.0f} s, {first['chunks_per_second']} chunks/s, {first['model_share']:.0%} of it in the model, "
         f"{first['peak_mib']} MiB peak; {of_usage(first['usage'])}"),
        ("second sync, nothing changed", f"{again['seconds']} s, {again['objects_read']} objects read; "
                                         f"{of_usage(again['usage'])}"),
        ("every object written again, same bytes", f"{touched['seconds']} s, {touched['objects_read']:,} objects read, "
                                                  f"{touched['embedded']} chunks embedded; {of_usage(touched['usage'])}")])


def of_gets(found):
    rows = []
    for one in found:
        for who, label in (("kedge", "Kedge"), ("boto3", "boto3, threads"), ("pyarrow", "pyarrow S3FileSystem")):
            if who in one:
                got = one[who]
                rows.append((one["server"], f"{one['bytes'] >> 10} KiB", label, f"{got['gets_per_second']:,}",
                             f"{got['mib_per_second']:,}", f"{got['cpu_us_a_get']:,.0f} us", f"{got['peak_mib']} MiB"))
    return table(("server", "range", f"client, {found[0]['threads']} at once", "GETs/s", "MiB/s", "CPU a GET", "peak"), rows)


def of_listing(found):
    names = (("first", "first sync"), ("unchanged", "nothing changed"), ("compared", "0.1 % changed"))
    return table((f"{found['keys']:,} keys", "time", "peak", "read", "requests"), [
        (title, f"{found[name]['seconds']} s", f"{found[name]['peak_mib']} MiB", f"{found[name]['read']:,}",
         ", ".join(f"{count:,} {operation}" for operation, count in found[name]["requests"].items()))
        for name, title in names])


def of_faults(found):
    rows = []
    for row in found:
        for command in ("sync", "search"):
            if command in row:
                got = row[command]
                rows.append((row["fault"], row["operation"], row["for"], command, got["got"].replace("|", "\\|"),
                             f"{got['seconds']} s", sum(got["requests"].values()),
                             "yes" if row["whole_afterwards"] else "NO"))
    return table(("fault", "operation", "for", "command", "what the caller got", "in", "requests", "whole afterwards"), rows)


def all_tables(report):
    machine = report["machine"]
    lines = [f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB; commit {machine['commit']}; "
             f"{report['data']}; all of it took {report['seconds'] / 60:.0f} min"]
    for name, make in (("main_job", of_main_job), ("gets", of_gets), ("listing", of_listing), ("faults", of_faults)):
        if report.get(name):
            lines += ["", *make(report[name])]
    if report.get("noisy"):
        lines += ["", f"Others computed meanwhile (cores busy): {report['noisy']}. Repeat it on a quiet machine."]
    return "\n".join(lines)
