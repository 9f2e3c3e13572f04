"""What others do on S3, each in a process of its own: GETs with boto3 and with pyarrow.

    peer_s3.py boto3|pyarrow BUCKET KEY SIZE LENGTH COUNT THREADS

Endpoint and keys come from the environment, as AWS tools read them. Prints JSON. Needs nothing but this file.
"""
import json
import os
import random
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor


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


def main():
    library, bucket, key, *numbers = sys.argv[1:]
    print(json.dumps(gets(library, bucket, key, *map(int, numbers))))


if __name__ == "__main__":
    main()
