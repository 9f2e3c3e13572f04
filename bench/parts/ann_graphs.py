"""hnswlib and usearch, one thread.

hnswlib is compiled where it is installed, for that machine's CPU. usearch with i8 gets pixels less 128 as int8, which
loses nothing; other vectors it rounds itself.
"""
from importlib.metadata import version

import numpy as np

EXPANSIONS = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768)
STEP = 10_000


class Graph:
    def __init__(self, described):
        self.rows, self.dimension, self.l2 = described["rows"], described["dimension"], described["metric"] == "l2"
        self.pixels = self.l2 and described["folder"].rstrip("/").rsplit("/", 1)[-1].startswith("fashion")
        self.index = None

    def prepare(self, base, place):
        pass

    def build(self, base, over):
        self.index = self.made()
        for at in range(0, len(base), STEP):
            part = base[at:at + STEP]
            self.add(np.arange(at, at + len(part), dtype=np.uint64), self.convert(part))
            if over() and at + STEP < len(base):
                return at + STEP
        return len(base)

    def convert(self, vectors):
        return vectors

    def raw_bytes(self, _):
        """None: what vectors a graph has, exact or rounded, it searches."""
        return 0

    def sweep(self):
        return [[{"ef": ef} for ef in EXPANSIONS]]


class Hnswlib(Graph):
    SETTING = "M 16, ef_construction 200"

    def empty(self):
        import hnswlib  # noqa: PLC0415
        return hnswlib.Index(space="l2" if self.l2 else "ip", dim=self.dimension)

    def made(self):
        index = self.empty()
        index.init_index(self.rows, M=16, ef_construction=200)
        index.set_num_threads(1)
        return index

    def add(self, ids, vectors):
        self.index.add_items(vectors, ids, num_threads=1)

    def save(self, place):
        self.index.save_index(str(place))

    def open(self, place):
        self.index = self.empty()
        self.index.load_index(str(place))
        self.index.set_num_threads(1)

    def set(self, ef):
        self.index.set_ef(ef)

    def ask(self, query):
        return self.index.knn_query(query, 10, num_threads=1)[0][0].astype(np.int64)

    def version(self):
        return f"hnswlib {version('hnswlib')}"


class Usearch(Graph):
    TYPE = ""

    def made(self):
        from usearch.index import Index  # noqa: PLC0415
        return Index(ndim=self.dimension, metric="l2sq" if self.l2 else "ip", dtype=self.TYPE, connectivity=16,
                     expansion_add=200, expansion_search=64)

    def add(self, ids, vectors):
        self.index.add(ids, vectors, threads=1)

    def save(self, place):
        self.index.save(str(place))

    def open(self, place):
        self.index = self.made()
        self.index.load(str(place))

    def set(self, ef):
        self.index.expansion_search = ef

    def ask(self, query):
        return self.index.search(query, 10, threads=1).keys.astype(np.int64)

    def version(self):
        return f"usearch {version('usearch')} ({self.index.hardware_acceleration})"


class UsearchI8(Usearch):
    TYPE, SETTING = "i8", "i8, connectivity 16, expansion_add 200"

    def convert(self, vectors):
        return (vectors - 128).astype(np.int8) if self.pixels else vectors


class UsearchBf16(Usearch):
    TYPE, SETTING = "bf16", "bf16, connectivity 16, expansion_add 200"


PEERS = {"hnswlib": Hnswlib, "usearch-i8": UsearchI8, "usearch-bf16": UsearchBf16}
