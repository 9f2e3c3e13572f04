"""A source of very many keys: listed and compared when a thousandth changed, and when nothing did."""
from parts.process import say
from parts.s3_place import Emulator, environment_on, kedge, requests, requests_since

BUCKET, OBJECT_BYTES = "keys", 64
CHANGED = 1000  # one of so many


def measure(environment, keys):
    with Emulator() as server:
        environment = environment_on(server, environment)
        client = server.client()
        client.create_bucket(Bucket=BUCKET)
        say(f"bench: {keys:,} keys")
        server.fill(BUCKET, "docs/", keys, OBJECT_BYTES)
        sync = ["sync", f"s3://{BUCKET}/docs", "--index", f"s3://{BUCKET}/index", "--model", "test:64"]
        out = {"keys": keys}
        for name in ("first", "unchanged", "compared"):
            if name == "compared":
                page = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="docs/")
                every = [entry["Key"] for part in page for entry in part["Contents"]]
                for number, key in enumerate(every[::CHANGED]):
                    client.put_object(Bucket=BUCKET, Key=key, Body=f"object {number} of the bucket has changed\n".encode())
            say(f"bench: {name}")
            before = requests(server)
            result, ran = kedge(sync, environment, server)
            counts = result["sources"][0]
            out[name] = {"seconds": round(ran.seconds, 2), "peak_mib": round(ran.mebibytes), "listed": counts["listed"],
                         "read": counts["objects_read"], "requests": requests_since(server, before), "others": ran.others}
    return out
