"""Made vectors for scale: any number of rows from a seed, in chunks that never lie in memory together.

They resemble embeddings in what matters to an index. CLUSTERS centres lie around TOPICS topics, so that clusters have
neighbours; their sizes follow a power law (the chance of cluster i is 1 / (i + 20)); within a cluster the variance of the
directions falls with a power of their rank, in axes that are the cluster's topic's own; each point has a spread of its own
(lognormal); all have length 1. Chunk i depends on the seed and i only: the first rows of two sizes are the same.
"""
import numpy as np

DIMENSION, SEED = 384, 5
TOPICS, CLUSTERS = 32, 4_096
CHUNK = 50_000
NEAR_TOPIC = 0.8  # how far centres are from their topic, where topics have length 1
SPREAD = 0.75  # of points around their centre


class Made:
    def __init__(self):
        random = np.random.default_rng(SEED)
        topics = unit(random.standard_normal((TOPICS, DIMENSION)))
        self.topic = random.integers(0, TOPICS, CLUSTERS)
        self.centres = topics[self.topic] + NEAR_TOPIC * unit(random.standard_normal((CLUSTERS, DIMENSION)))
        self.axes = np.stack([np.linalg.qr(random.standard_normal((DIMENSION, DIMENSION)))[0] for _ in range(TOPICS)])
        self.axes = self.axes.astype(np.float32)
        deviations = np.arange(1, DIMENSION + 1) ** -0.4
        self.deviations = (deviations / np.linalg.norm(deviations)).astype(np.float32)
        chances = 1 / (np.arange(CLUSTERS) + 20.0)
        self.chances = random.permutation(chances / chances.sum())

    def draw(self, count, random):
        which = np.sort(random.choice(CLUSTERS, count, p=self.chances))  # by topic below: one product each
        spread = (SPREAD * random.lognormal(0, 0.25, count)).astype(np.float32)
        noise = random.standard_normal((count, DIMENSION), dtype=np.float32) * self.deviations * spread[:, None]
        out = self.centres[which].astype(np.float32)
        for topic in range(TOPICS):
            rows = self.topic[which] == topic
            out[rows] += noise[rows] @ self.axes[topic]
        return unit(out)[random.permutation(count)].astype(np.float32)

    def base(self, rows):
        for number, at in enumerate(range(0, rows, CHUNK)):
            yield self.draw(CHUNK, np.random.default_rng([SEED, 1, number]))[:rows - at]

    def queries(self, count):
        return self.draw(count, np.random.default_rng([SEED, 2]))


def unit(matrix):
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
