"""LanceDB on local disk, through its synchronous Python call, one thread; indexes are loaded before they are asked.

The build is that of the index: the table of vectors is there before. Of each answer a part is the call itself, about the same
for any table: call_cost() measures it on 100 rows.
"""
import shutil
import tempfile
import time
import warnings
from importlib.metadata import version

import lancedb
import numpy as np
import pyarrow as pa

warnings.simplefilter("ignore")
BATCH = 8_192


def make_table(base, place):
    def batches():
        for at in range(0, len(base), BATCH):
            part = np.ascontiguousarray(base[at:at + BATCH])
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(part.ravel()), base.shape[1])
            yield pa.record_batch([pa.array(np.arange(at, at + len(part))), vectors], names=["id", "vector"])

    shutil.rmtree(place, ignore_errors=True)
    schema = pa.schema([("id", pa.int64()), ("vector", pa.list_(pa.float32(), base.shape[1]))])
    return lancedb.connect(str(place)).create_table("t", pa.RecordBatchReader.from_batches(schema, batches()))


def answer(table, query, metric, probes=None, refine=None):
    search = table.search(query, vector_column_name="vector").distance_type(metric).limit(10).select(["id", "_distance"])
    if probes:
        search = search.nprobes(probes)
    if refine:
        search = search.refine_factor(refine)
    return search.to_arrow()["id"].to_numpy()


class Lance:
    REFINES = (10, 4, 30)
    TYPE, OPTIONS = "", {}

    def __init__(self, described):
        self.rows, self.dimension, self.metric = described["rows"], described["dimension"], described["metric"]
        self.table, self.raw, self.settings = None, 0, {}

    def prepare(self, base, place):
        self.table = make_table(base, place)
        self.raw = sum(file.stat().st_size for file in place.rglob("*") if file.is_file())

    def build(self, base, over):
        lists = 256 if self.rows <= 100_000 else 1_024
        self.table.create_index(metric=self.metric, vector_column_name="vector", index_type=self.TYPE, num_partitions=lists,
                                max_iterations=20, sample_rate=128, **self.options())
        return len(base)

    def save(self, place):
        pass

    def raw_bytes(self, _):
        return self.raw

    def open(self, place):
        self.table = lancedb.connect(str(place)).open_table("t")
        for index in self.table.list_indices():
            self.table.prewarm_index(index.name)

    def convert(self, queries):
        return queries

    def sweep(self):
        probes = (2, 4, 8, 12, 16, 32, 64) if self.rows <= 100_000 else (32, 96, 192, 320, 512)
        return [[{"refine": refine, "probes": count} for count in probes] for refine in self.REFINES]

    def set(self, **settings):
        self.settings = settings

    def ask(self, query):
        return answer(self.table, query, self.metric, **self.settings)

    def version(self):
        return f"lancedb {version('lancedb')}"


class RaBitQ(Lance):
    TYPE, SETTING = "IVF_RQ", "IVF_RQ, 1 bit"

    def options(self):
        return {"num_bits": 1}


class ProductQuantiser(Lance):
    TYPE, SETTING = "IVF_PQ", "IVF_PQ, d/8 parts of 8 bits"
    REFINES = (30, 10, 4)

    def options(self):
        return {"num_sub_vectors": self.dimension // 8, "num_bits": 8}


def call_cost():
    """Microseconds of one question to a table of 100 rows without an index: the median of 400."""
    random = np.random.default_rng(0)
    queries = random.standard_normal((420, 384), dtype=np.float32)
    with tempfile.TemporaryDirectory(prefix="kedge-lance-") as place:
        table = make_table(random.standard_normal((100, 384), dtype=np.float32), place)
        times = []
        for query in queries:
            began = time.perf_counter()
            answer(table, query, "l2")
            times.append(time.perf_counter() - began)
    return round(float(np.median(times[20:])) * 1e6)


PEERS = {"lance-rq": RaBitQ, "lance-pq": ProductQuantiser}
