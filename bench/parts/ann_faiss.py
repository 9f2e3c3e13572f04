"""faiss, one thread: exhaustive; IVF with 4-bit PQ or RaBitQ, both fast scan, the best refined with exact vectors; HNSW."""
import faiss
import numpy as np


faiss.omp_set_num_threads(1)
TRAINING_ROWS = 65_536


def lists_for(rows):
    return max(rows // 100, 1) if rows < 25_600 else 256 if rows <= 100_000 else 1_024 if rows <= 300_000 else 2_048


class Faiss:
    SETTING = ""

    def __init__(self, described):
        self.rows, self.dimension = described["rows"], described["dimension"]
        self.metric = faiss.METRIC_L2  # of vectors of length 1 its order is that of the cosine
        if described["metric"] == "dot":
            raise ValueError("no peer is set up for dot products")
        self.index = None

    def prepare(self, base, place):
        pass

    def build(self, base, over):
        self.index = self.made(base)
        if not self.index.is_trained:
            self.index.train(base[np.random.default_rng(3).permutation(len(base))[:TRAINING_ROWS]])
        step = 10_000
        for at in range(0, len(base), step):
            self.index.add(base[at:at + step])
            if over() and at + step < len(base):
                return at + step
        return len(base)

    def save(self, place):
        faiss.write_index(self.index, str(place))

    def raw_bytes(self, _):
        """Of the exact vectors, where they only refine what something smaller found."""
        return 0

    def open(self, place):
        self.index = faiss.read_index(str(place))

    def convert(self, queries):
        return queries

    def ask(self, query):
        return self.index.search(query[None], 10)[1][0]

    def version(self):
        return f"faiss {faiss.__version__}"


class Flat(Faiss):
    SETTING = "exhaustive"

    def made(self, _):
        return faiss.IndexFlatL2(self.dimension)

    def sweep(self):
        return [[{}]]

    def set(self):
        pass


class Hnsw(Faiss):
    SETTING = "M 32, efConstruction 200"

    def made(self, _):
        index = faiss.IndexHNSWFlat(self.dimension, 32)
        index.hnsw.efConstruction = 200
        return index

    def sweep(self):
        return [[{"ef": ef} for ef in (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768)]]

    def set(self, ef):
        self.index.hnsw.efSearch = ef


class InvertedLists(Faiss):
    """The centroids come from a k-means of our own settings, so that both kinds have the same; its time is in the build."""
    K_FACTORS = (8, 4, 16, 32)

    def centroids(self, base):
        lists = lists_for(self.rows)
        kmeans = faiss.Kmeans(self.dimension, lists, niter=10, seed=7, max_points_per_centroid=64 if lists > 1000 else 200)
        kmeans.train(base)
        return kmeans.centroids

    def sweep(self):
        probes = (2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128) if self.rows <= 100_000 else (
            16, 32, 64, 128, 192, 256, 384, 512, 768, 1024)
        return [[{"k_factor": factor, "probes": count} for count in probes] for factor in self.K_FACTORS]

    def raw_bytes(self, base):
        return base.nbytes

    def lists(self):
        return faiss.downcast_index(faiss.extract_index_ivf(self.index.base_index))

    def set(self, k_factor, probes):
        self.index.k_factor = k_factor
        self.lists().nprobe = probes


class ProductQuantiser(InvertedLists):
    SETTING = "IVF, PQ of d/2 x 4 bits, fast scan, refined with exact vectors"

    def made(self, base):
        quantiser = faiss.IndexFlatL2(self.dimension)
        quantiser.add(self.centroids(base))
        inner = faiss.IndexIVFPQFastScan(quantiser, self.dimension, quantiser.ntotal, self.dimension // 2, 4)
        self.kept = (quantiser, inner)  # faiss keeps no reference of its own
        return faiss.IndexRefineFlat(inner)


class RaBitQ(InvertedLists):
    """Rotated at random, as the method wants it: without it, it is much worse on pixels."""
    SETTING = "rotation, IVF, RaBitQ of 1 bit, fast scan, queries of 8 bits, refined with exact vectors"

    def made(self, base):
        rotation = faiss.RandomRotationMatrix(self.dimension, self.dimension)
        rotation.init(5)
        quantiser = faiss.IndexFlatL2(self.dimension)
        quantiser.add(rotation.apply(self.centroids(base)))
        inner = faiss.IndexIVFRaBitQFastScan(quantiser, self.dimension, quantiser.ntotal, faiss.METRIC_L2, 32, True, 1)
        rotated = faiss.IndexPreTransform(rotation, inner)
        self.kept = (rotation, quantiser, inner, rotated)
        return faiss.IndexRefineFlat(rotated)

    def open(self, place):
        super().open(place)
        self.lists().qb = 8


PEERS = {"flat": Flat, "faiss-hnsw": Hnsw, "faiss-pqfs": ProductQuantiser, "faiss-rabitq": RaBitQ}
