"""The set text1m: a million vectors that behave like embeddings of text, without a run of a model.

Text becomes WordPiece tokens; a vector is the mean of the model's token vectors over a window of 8 to 40 tokens, weighted by
how rare a token is (a / (a + frequency): SIF); the mean of all and their first principal component are taken out, and what is
left has length 1. Documents are split, so that no text of a query's window is in the base. Windows of the same tokens come
once. 5 % are of log files. To an index they are harder than sentences: their local dimension is about 30.
"""
import hashlib
import json

import numpy as np
from tokenizers import Tokenizer

from parts.ann_sentences import DATA, JUDGED, json_lines, read

ROWS, QUERIES, SEED = 1_000_000, 1_000, 1
LOG_SHARE = 0.05
HELD_OUT = 0.08  # of the documents: for queries
RARITY = 1e-3
SHORTEST, LONGEST = 8, 40
PIECE = 2_000  # characters of a book that are one document
LOG_LINES = 20  # that are one document


def token_vectors(model):
    """The matrix of the model's token embeddings, from model.safetensors."""
    raw = (model / "model.safetensors").read_bytes()
    header_bytes = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + header_bytes])
    tensor = next(value for name, value in header.items() if name.endswith("word_embeddings.weight"))
    if tensor["dtype"] != "F32":
        raise ValueError(f"token vectors of {tensor['dtype']}")
    begin, end = (8 + header_bytes + offset for offset in tensor["data_offsets"])
    return np.frombuffer(raw[begin:end], np.float32).reshape(tensor["shape"])


def prose():
    found = set()
    for name in JUDGED:
        documents = json_lines(DATA / name / "corpus.jsonl")
        found.update(f"{document.get('title', '')}. {document['text']}" for document in documents)
    for path in (DATA / "chroma-chunking-eval/corpora").glob("*.md"):
        text = read(path)
        found.update(text[at:at + PIECE] for at in range(0, len(text), PIECE))
    found.update(read(path) for path in (DATA / "docling-formats").rglob("*.md"))
    return sorted(found, key=lambda text: hashlib.sha256(text.encode(errors="replace")).digest())


def logs():
    found = []
    for path in sorted((DATA / "loghub-2k").glob("*/*_2k.log")):
        lines = read(path).splitlines()
        found += ["\n".join(lines[at:at + LOG_LINES]) for at in range(0, len(lines), LOG_LINES)]
    return found


def tokens_of(model, texts):
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    encoded = (np.array(item.ids, np.int32) for item in tokenizer.encode_batch(texts, add_special_tokens=False))
    return [ids for ids in encoded if len(ids) >= SHORTEST]


class Windows:
    """Draws windows of documents, and makes their vectors."""

    def __init__(self, table, weights):
        self.table, self.weights = table, weights
        self.mix = np.random.default_rng(99).integers(1, 2**63, len(table), dtype=np.uint64)

    def draw(self, documents, count, random):
        """(vectors, keys): a document by its length, a start and a length evenly. Equal keys: the same tokens."""
        flat = np.concatenate(documents)
        lengths = np.array([len(document) for document in documents])
        begins = np.cumsum(lengths) - lengths
        which = random.choice(len(documents), count, p=lengths / lengths.sum())
        sizes = np.minimum(random.integers(SHORTEST, LONGEST + 1, count), lengths[which])
        starts = begins[which] + (random.random(count) * (lengths[which] - sizes + 1)).astype(np.int64)
        vectors, keys = np.empty((count, self.table.shape[1]), np.float32), np.empty(count, np.uint64)
        for at in range(0, count, 8_192):
            size = sizes[at:at + 8_192]
            ends = np.cumsum(size)
            ids = flat[np.repeat(starts[at:at + 8_192] - (ends - size), size) + np.arange(ends[-1])]
            weight = self.weights[ids]
            total = np.add.reduceat(self.table[ids] * weight[:, None], ends - size, axis=0)
            vectors[at:at + 8_192] = total / np.add.reduceat(weight, ends - size)[:, None]
            keys[at:at + 8_192] = np.add.reduceat(self.mix[ids], ends - size)
        return vectors, keys


def make(model):
    """(base, queries), of length 1."""
    random = np.random.default_rng(SEED)
    table = token_vectors(model)
    kinds = [tokens_of(model, prose()), tokens_of(model, logs())]
    counts = np.bincount(np.concatenate(kinds[0] + kinds[1]), minlength=len(table)).astype(np.float64)
    windows = Windows(table, (RARITY / (RARITY + counts / counts.sum())).astype(np.float32))
    for_queries = [random.random(len(documents)) < HELD_OUT for documents in kinds]

    def draw(count, held_out):
        parts = []
        for documents, mask, share in zip(kinds, for_queries, (1 - LOG_SHARE, LOG_SHARE)):
            chosen = [document for document, held in zip(documents, mask) if held == held_out]
            parts.append(windows.draw(chosen, round(count * share), random))
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    vectors, keys = draw(int(ROWS * 1.12), False)
    first = random.permutation(np.unique(keys, return_index=True)[1])[:ROWS]
    if len(first) < ROWS:
        raise ValueError(f"only {len(first)} different windows")
    base, base_keys = vectors[first], keys[first]
    vectors, keys = draw(3 * QUERIES, True)
    queries = vectors[random.permutation(np.flatnonzero(~np.isin(keys, base_keys)))[:QUERIES]]
    mean = base.mean(0, dtype=np.float64).astype(np.float32)
    sample = base[:100_000] - mean
    component = np.linalg.eigh((sample.T @ sample).astype(np.float64))[1][:, -1].astype(np.float32)
    for matrix in (base, queries):
        matrix -= mean
        matrix -= np.outer(matrix @ component, component)
        matrix /= np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
    return base, queries
