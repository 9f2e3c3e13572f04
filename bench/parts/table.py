"""The figures as the Markdown tables that README quotes."""


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]


def of_main_job(found):
    first, judged = found["first_sync"], found["retrieval"]
    again, touched = found["second_sync"], found["all_touched"]
    return table(("SciFact whole, one file an abstract", "measured"), [
        (f"nDCG@10 of {judged['queries']} judged questions, best chunk of an object", f"{judged['ndcg_at_10']:.4f}"),
        (f"first sync: {first['abstracts']:,} objects, {first['chunks']:,} chunks, {first['split']:,} objects split",
         f"{first['seconds']:.0f} s, {first['objects_per_second']} objects/s, {first['chunks_per_second']} chunks/s, "
         f"{first['model_share']:.0%} of it in the model, {first['peak_mib']} MiB peak"),
        ("second sync, nothing changed",
         f"{again['seconds']} s, {again['objects_read']} objects read, {again['embedded']} chunks embedded"),
        ("all files touched, same bytes",
         f"{touched['seconds']} s, {touched['objects_read']:,} objects read, {touched['embedded']} chunks embedded"),
    ])


def of_equal_chunks(found):
    head = [f"{found['abstracts']:,} abstracts, median of {found['runs']} runs in turns", "objects/s", "chunks/s", "model",
            "peak"]
    rows = []
    for name, title in (("files", "the files"), ("equal_chunks", f"{found['chunk_files']:,} equal chunks, a file each")):
        for who, label in (("kedge", "Kedge"), ("peer", "sentence-transformers and LanceDB")):
            one = found.get(f"{who}_{name}")
            if one:
                without = "_when_open" if who == "peer" else ""
                rows.append((f"{label}: {title}", f"{one['objects_per_second' + without]:.1f}",
                             f"{one['chunks_per_second' + without]:.1f}", f"{one['model_share']:.0%}",
                             f"{one['peak_mib']:.0f} MiB"))
    lines = table(head, rows) + [""]
    ours = found["kedge_equal_chunks"]
    lines.append(f"Chunks of {found['chunk_characters']:,} characters, f32, all cores. The peer without its imports and the "
                 f"opening of its model, Kedge with everything. Of the equal chunks Kedge split {ours['split']}, which are "
                 f"over the 256 tokens of the model and which the peer cuts off: it embedded {ours['chunks']:,} texts for "
                 f"{found['chunk_files']:,}, and only these count.")
    if "speed_ratio" in found:
        lines.append(f"At equal chunks: {found['speed_ratio']} times the chunks/s ({found['speed_ratio_whole_process']} "
                     f"times as whole processes), {found['memory_ratio']} of the memory.")
    return lines


def of_one_question(found):
    names = (("embed_everything", "read and embed everything, no index"), ("match_words", "read everything, match words"),
             ("fresh_search", "kedge search, fresh process, model included"), ("open_search", "Kedge, index open"),
             ("peer_fresh_search", "the peer, fresh process"), ("peer_open_search", "the peer, open"))
    rows = []
    for name, title in names:
        if name in found:
            one = found[name]
            seconds = one["seconds"]
            shown = f"{seconds:.1f} s" if seconds >= 10 else f"{seconds:.2f} s" if seconds >= 0.1 else f"{seconds * 1e3:.1f} ms"
            rows.append((title, shown, f"{one['peak_mib']} MiB" if "peak_mib" in one else ""))
    return table(("one question over SciFact", "time", "peak"), rows)


def of_listings(found):
    return table(("small files, embedder of tests", "first sync", "1 % changed", "nothing changed"), [
        (f"{one['files']:,}", f"{one['first_seconds']} s, {one['first_peak_mib']} MiB",
         f"{one['compare_seconds']} s, {one['compare_peak_mib']} MiB",
         f"{one['unchanged_seconds']} s, {one['unchanged_peak_mib']} MiB") for one in found])


def all_tables(report):
    machine = report["machine"]
    lines = [f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['kernels']} kernels; commit "
             f"{machine['commit']}; {report['data']}; all of it took {report['seconds'] / 60:.0f} min"]
    for name, make in (("main_job", of_main_job), ("equal_chunks", of_equal_chunks), ("one_question", of_one_question),
                       ("listings", of_listings)):
        if report.get(name):
            lines += ["", *make(report[name])]
    noisy = report.get("noisy")
    if noisy:
        lines += ["", f"Others computed meanwhile (cores busy): {noisy}. Repeat it on a quiet machine."]
    return "\n".join(lines)
