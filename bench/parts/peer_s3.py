"""What others do on S3, each in a process of its own: GETs with boto3 and with pyarrow, a table of vectors with LanceDB.

    peer_s3.py gets boto3|pyarrow BUCKET KEY SIZE LENGTH COUNT THREADS
    peer_s3.py build BUCKET ROWS DIMENSION
    peer_s3.py query BUCKET DIMENSION QUERIES [THREADS]

Endpoint and keys come from the environment, as AWS tools read them. Prints JSON. Needs nothing but this file.
"""
import json
import os
import random
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor

TABLE = "chunks"
NEIGHBOURS = 10


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def reader_of_boto3(bucket, key, threads):
    import boto3
    from botocore.config import Config
    client = boto3.client("s3", config=Config(max_pool_connections=threads, s3={"addressing_style": "path"}))

    def read(offset, length):
        answer = client.get_object(Bucket=bucket, Key=key, Range=f"bytes={offset}-{offset + length - 1}")
        return len(answer["Body"].read())
    return read


def reader_of_pyarrow(bucket, key, threads):
    import pyarrow
    import pyarrow.fs
    pyarrow.set_io_thread_count(threads)
    host = os.environ["AWS_ENDPOINT_URL"]
    scheme, _, place = host.partition("://")
    files = pyarrow.fs.S3FileSystem(endpoint_override=place, scheme=scheme, region=os.environ["AWS_REGION"],
                                    access_key=os.environ["AWS_ACCESS_KEY_ID"],
                                    secret_key=os.environ["AWS_SECRET_ACCESS_KEY"])
    file = files.open_input_file(f"{bucket}/{key}")  # one HEAD; read_at() is one GET, and threads share the file

    def read(offset, length):
        return len(file.read_at(length, offset))
    return read


def gets(library, bucket, key, size, length, count, threads):
    """`count` ranges of `length` bytes of one object, at random places, from `threads` threads."""
    read = {"boto3": reader_of_boto3, "pyarrow": reader_of_pyarrow}[library](bucket, key, threads)
    chance = random.Random(count)
    offsets = [chance.randrange(size - length + 1) for _ in range(count)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda offset: read(offset, length), offsets[:2 * threads]))  # connections are made before
        began, used = time.monotonic(), cpu_seconds()
        total = sum(pool.map(lambda offset: read(offset, length), offsets))
        seconds, used = time.monotonic() - began, cpu_seconds() - used
    if total != count * length:
        sys.exit(f"{library} read {total} bytes, not {count * length}")
    return {"gets": count, "seconds": seconds, "cpu_seconds": used}


def connect(bucket):
    import lancedb
    return lancedb.connect(f"s3://{bucket}/lance", storage_options={
        "aws_endpoint": os.environ["AWS_ENDPOINT_URL"], "allow_http": "true", "aws_region": os.environ["AWS_REGION"],
        "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"], "aws_virtual_hosted_style_request": "false",
        "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"]})


def vectors(rows, dimension, seed):
    import numpy
    made = numpy.random.default_rng(seed).standard_normal((rows, dimension), dtype=numpy.float32)
    return made / numpy.linalg.norm(made, axis=1, keepdims=True)


def build(bucket, rows, dimension):
    import pyarrow
    began = time.monotonic()
    values = vectors(rows, dimension, 1)
    column = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(values.reshape(-1)), dimension)
    keys = pyarrow.array([f"{number}.txt" for number in range(rows)])
    table = connect(bucket).create_table(TABLE, pyarrow.table({"key": keys, "vector": column}))
    table.create_index(metric="cosine", index_type="IVF_RQ")
    return {"rows": table.count_rows(), "seconds": time.monotonic() - began}


def query(bucket, dimension, queries):
    questions = vectors(queries, dimension, 2)
    connection = connect(bucket)
    began = time.monotonic()
    table = connection.open_table(TABLE)
    opened = time.monotonic() - began
    seconds = []
    for question in questions:
        began = time.monotonic()
        found = table.search(question).distance_type("cosine").limit(NEIGHBOURS).select(["key"]).to_list()
        seconds.append(time.monotonic() - began)
        if len(found) != NEIGHBOURS:
            sys.exit(f"LanceDB found {len(found)} of {NEIGHBOURS}")
    return {"open_seconds": opened, "search_seconds": seconds}


def main():
    command, *rest = sys.argv[1:]
    if command == "gets":
        found = gets(*rest[:3], *map(int, rest[3:]))
    elif command == "build":
        found = build(rest[0], *map(int, rest[1:]))
    else:
        found = query(rest[0], *map(int, rest[1:3]))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
