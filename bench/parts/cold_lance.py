"""LanceDB on S3, in the peers' environment. Endpoint and keys come from the environment, as AWS tools read them.

    python -m parts.cold_lance build SET BUCKET                                    table and index, IVF_RQ
    python -m parts.cold_lance tune SET BUCKET RECALL QUESTIONS                    the fastest setting that reaches the recall
    python -m parts.cold_lance search SET BUCKET PROBES REFINE FIRST COUNT         opens the table, asks COUNT questions

SET is a folder of ./dev bench ann. Prints JSON at the end.
"""
import json
import os
import sys
import time
import warnings
from pathlib import Path

import lancedb
import numpy as np
import pyarrow as pa

from parts import ann_vectors

warnings.simplefilter("ignore")
BATCH, K = 8_192, 10
REFINES, PROBES = (4, 10, 30), (4, 8, 16, 32, 64, 96, 128, 192, 256, 384)


def connect(bucket):
    return lancedb.connect(f"s3://{bucket}/lance", storage_options={
        "aws_endpoint": os.environ["AWS_ENDPOINT_URL"], "allow_http": "true", "aws_region": os.environ["AWS_REGION"],
        "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"], "aws_virtual_hosted_style_request": "false",
        "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"]})


def build(folder, bucket):
    described = json.loads((folder / "set.json").read_text(encoding="utf-8"))
    base = ann_vectors.mapped(ann_vectors.base_path(folder))

    def batches():
        for at in range(0, len(base), BATCH):
            part = np.ascontiguousarray(base[at:at + BATCH])
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(part.ravel()), base.shape[1])
            yield pa.record_batch([pa.array(np.arange(at, at + len(part))), vectors], names=["id", "vector"])

    began = time.monotonic()
    schema = pa.schema([("id", pa.int64()), ("vector", pa.list_(pa.float32(), base.shape[1]))])
    table = connect(bucket).create_table("t", pa.RecordBatchReader.from_batches(schema, batches()))
    lists = 256 if len(base) <= 100_000 else 1_024
    table.create_index(metric=described["metric"], vector_column_name="vector", index_type="IVF_RQ", num_bits=1,
                       num_partitions=lists, max_iterations=20, sample_rate=128)
    return {"rows": len(base), "lists": lists, "seconds": round(time.monotonic() - began, 1)}


def answer(table, metric, question, probes, refine):
    search = table.search(question, vector_column_name="vector").distance_type(metric).limit(K).select(["id"])
    return search.nprobes(probes).refine_factor(refine).to_arrow()["id"].to_pylist()


def questions_of(folder):
    described = json.loads((folder / "set.json").read_text(encoding="utf-8"))
    return np.asarray(ann_vectors.mapped(folder / "query.fvecs")), described["metric"]


def tune(folder, bucket, target, count):
    """Of each refine factor the fewest probes that reach the recall; of those the fastest on a store without delay."""
    questions, metric = questions_of(folder)
    truth = ann_vectors.mapped(folder / "truth.ivecs")[:count, :K]
    table, best = connect(bucket).open_table("t"), None
    for refine in REFINES:
        for probes in PROBES:
            began, hits = time.monotonic(), 0
            for question, nearest in zip(questions[:count], truth):
                hits += len(set(answer(table, metric, question, probes, refine)) & set(nearest.tolist()))
            point = {"probes": probes, "refine": refine, "recall": hits / (K * count), "seconds": time.monotonic() - began}
            if point["recall"] >= target:
                best = min(best or point, point, key=lambda one: one["seconds"])
                break
    return best


def search(folder, bucket, probes, refine, first, count):
    questions, metric = questions_of(folder)
    connection = connect(bucket)
    began = time.monotonic()
    table = connection.open_table("t")
    out = {"open_seconds": time.monotonic() - began, "search_seconds": [], "found": []}
    for question in questions[first:first + count]:
        began = time.monotonic()
        out["found"].append(answer(table, metric, question, probes, refine))
        out["search_seconds"].append(time.monotonic() - began)
    return out


def main():
    command, folder, bucket, *rest = sys.argv[1:]
    folder = Path(folder)
    if command == "build":
        found = build(folder, bucket)
    elif command == "tune":
        found = tune(folder, bucket, float(rest[0]), int(rest[1]))
    else:
        found = search(folder, bucket, *map(int, rest))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
