"""Makes a set of vectors in a folder: base, query.fvecs, truth.ivecs, and at last set.json. Runs in the peers' environment.

    python -m parts.ann_make NAME FOLDER [--model FOLDER] [--from FOLDER --rows N]

NAME: fashion, text1m, sentences (base.fvecs and query.fvecs lie in FOLDER: the model made them), made (--rows), or cut (the
first --rows of --from). The truth is exact: the 100 nearest, by faiss's exhaustive search in f32.
"""
import argparse
import gzip
import json
import struct
from pathlib import Path

import faiss
import numpy as np

from parts import ann_made, ann_vectors
from parts.ann_sentences import DATA

TRUE_NEIGHBOURS = 100
FASHION_QUERIES = 1_000
MADE_QUERIES = 200
MOST_F32_ROWS = 2_000_000  # of made vectors; more are written as f16


def nearest(chunks, queries, metric):
    """The ids of the nearest rows of all chunks to each query, best first."""
    best, ids, begin = None, None, 0
    kind = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
    for chunk in chunks:
        chunk = np.ascontiguousarray(chunk, np.float32)
        values, found = faiss.knn(queries, chunk, TRUE_NEIGHBOURS, metric=kind)
        values = values if metric == "l2" else -values
        found = found + begin
        begin += len(chunk)
        if best is not None:
            values, found = np.concatenate([best, values], 1), np.concatenate([ids, found], 1)
        order = np.argsort(values, axis=1, kind="stable")[:, :TRUE_NEIGHBOURS]
        best, ids = np.take_along_axis(values, order, 1), np.take_along_axis(found, order, 1)
    return ids.astype(np.int32)


def pixels(name):
    raw = gzip.open(DATA / "fashion-mnist" / name).read()
    count, height, width = struct.unpack(">3i", raw[4:16])
    return np.frombuffer(raw, np.uint8, count * height * width, 16).reshape(count, height * width).astype(np.float32)


def make_fashion(folder, _):
    queries = pixels("t10k-images-idx3-ubyte.gz")[:FASHION_QUERIES]
    ann_vectors.write_rows(folder / "base.fvecs", ann_vectors.in_chunks(pixels("train-images-idx3-ubyte.gz")))
    ann_vectors.write_rows(folder / "query.fvecs", [queries])
    truth = ann_vectors.load(DATA / "fashion-mnist/gt_l2_top100.ivecs", FASHION_QUERIES)  # exact, in integers
    ann_vectors.write_rows(folder / "truth.ivecs", [truth])
    return "l2"


def make_text1m(folder, arguments):
    from parts import ann_windows  # noqa: PLC0415: it alone needs the tokenizer
    base, queries = ann_windows.make(arguments.model)
    ann_vectors.write_rows(folder / "base.fvecs", ann_vectors.in_chunks(base))
    ann_vectors.write_rows(folder / "query.fvecs", [queries])
    return "cosine"


def make_made(folder, arguments):
    made = ann_made.Made()
    ann_vectors.write_rows(folder / "query.fvecs", [made.queries(MADE_QUERIES)])
    if arguments.rows <= MOST_F32_ROWS:
        ann_vectors.write_rows(folder / "base.fvecs", made.base(arguments.rows))
        return "cosine"
    base = np.lib.format.open_memmap(folder / "base.npy", "w+", np.float16, (arguments.rows, ann_made.DIMENSION))
    at = 0
    for chunk in made.base(arguments.rows):
        base[at:at + len(chunk)] = chunk
        at += len(chunk)
    base.flush()
    return "cosine"


def make_cut(folder, arguments):
    source = arguments.source
    base = ann_vectors.mapped(ann_vectors.base_path(source))[:arguments.rows]
    ann_vectors.write_rows(folder / "base.fvecs", ann_vectors.in_chunks(base))
    ann_vectors.write_rows(folder / "query.fvecs", [ann_vectors.load(source / "query.fvecs")])
    return json.loads((source / "set.json").read_text())["metric"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--from", dest="source", type=Path)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--recipe", default="")
    arguments = parser.parse_args()
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    makers = {"fashion": make_fashion, "text1m": make_text1m, "sentences": lambda *_: "cosine", "made": make_made,
              "cut": make_cut}
    metric = makers[arguments.name](folder, arguments)
    queries = ann_vectors.load(folder / "query.fvecs")
    path = ann_vectors.base_path(folder)
    base = ann_vectors.mapped(path)
    if not (folder / "truth.ivecs").exists():
        ann_vectors.write_rows(folder / "truth.ivecs", [nearest(ann_vectors.in_chunks(base), queries, metric)])
    described = {"recipe": arguments.recipe, "metric": metric, "rows": len(base), "dimension": base.shape[1],
                 "queries": len(queries), "base": path.name,
                 "sha256": {name: ann_vectors.sha256(folder / name) for name in (path.name, "query.fvecs", "truth.ivecs")}}
    (folder / "set.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
