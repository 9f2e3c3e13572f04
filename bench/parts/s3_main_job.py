"""SciFact whole in a bucket of versitygw, index in the same bucket: the main job as bench/parts/main_job.py has it."""
import json

from parts import scifact
from parts.main_job import retrieval
from parts.process import run, say
from parts.s3_place import Versitygw, environment_on, kedge, upload

BUCKET = "scifact"


def usage_of(result):
    return {name: {word: count for word, count in result[name].items() if count} for name in ("source_usage", "index_usage")}


def measure(scratch, environment, abstracts):
    folder = scratch / "abstracts"
    count = scifact.write_abstracts(folder, abstracts)
    with Versitygw(scratch / "scifact-server") as server:
        environment = environment_on(server, environment)
        server.client().create_bucket(Bucket=BUCKET)
        say(f"bench: {count:,} abstracts into the bucket")
        upload(server, BUCKET, "docs/", folder)
        source = f"s3://{BUCKET}/docs"
        index = f"s3://{BUCKET}/index"
        result, ran = kedge(["sync", source, "--index", index], environment)
        counts = result["sources"][0]
        # The server computes beside the program: that others are busy is no noise here.
        out = {"first_sync": {
            "abstracts": counts["indexed"], "split": counts["split_objects"], "chunks": counts["chunks"],
            "from_cache": counts["chunks_from_cache"], "seconds": round(ran.seconds, 2),
            "objects_per_second": round(counts["indexed"] / ran.seconds, 1),
            "chunks_per_second": round(counts["chunks"] / ran.seconds, 1),
            "model_share": round(counts["model_seconds"] / ran.seconds, 3), "peak_mib": round(ran.mebibytes),
            "usage": usage_of(result), "server_and_others": ran.others}}
        ran = run(retrieval(index), environment)
        out["retrieval"] = {**json.loads(ran.output), "peak_mib": round(ran.mebibytes), "server_and_others": ran.others}
        for name in ("second_sync", "all_touched"):
            if name == "all_touched":
                upload(server, BUCKET, "docs/", folder)
            result, ran = kedge(["sync", source, "--index", index], environment)
            counts = result["sources"][0]
            out[name] = {"seconds": round(ran.seconds, 2), "objects_read": counts["objects_read"],
                         "embedded": counts["chunks_embedded"], "peak_mib": round(ran.mebibytes), "usage": usage_of(result)}
    return out
