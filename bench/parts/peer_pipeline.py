#!/usr/bin/env python3
"""What one would write with sentence-transformers and LanceDB: read files, cut them, embed, store, search.

    peer_pipeline.py index MODEL FOLDER TABLE_FOLDER [--whole]    --whole: each file is one chunk
    peer_pipeline.py search MODEL TABLE_FOLDER QUESTION

Runs under the Python of the peer's environment (parts/peer.py) and prints one JSON document.
"""
import json
import sys
import time
from pathlib import Path

BEGAN = time.monotonic()
CHUNK_CHARACTERS = 1000
BATCH = 32  # the default of encode()
RESULTS = 10


def cut(text):
    pieces = [text[at:at + CHUNK_CHARACTERS] for at in range(0, len(text), CHUNK_CHARACTERS)]
    return [piece for piece in pieces if piece.strip()]


def texts_of(path, whole):
    """The texts of a file's chunks. The model sees the first 256 tokens of each."""
    text = path.read_text(encoding="utf-8")
    return [text] if whole else cut(text)


def open_model(folder):
    import torch
    from sentence_transformers import SentenceTransformer
    model = SentenceTransformer(folder, device="cpu")
    if next(model.parameters()).dtype != torch.float32:
        sys.exit("the peer's model is not f32")
    return model


def index(model_folder, source, table_folder, whole):
    import lancedb
    import torch
    model = open_model(model_folder)
    opened = time.monotonic()
    files = sorted(Path(source).glob("*.txt"))
    rows = [(path.name, number, text) for path in files for number, text in enumerate(texts_of(path, whole))]
    before = time.monotonic()
    vectors = model.encode([text for _, _, text in rows], batch_size=BATCH, normalize_embeddings=True,
                           show_progress_bar=False)
    model_seconds = time.monotonic() - before
    table = lancedb.connect(table_folder).create_table(
        "chunks", [{"key": key, "number": number, "text": text, "vector": vector}
                   for (key, number, text), vector in zip(rows, vectors)])
    done = time.monotonic()
    return {"objects": len(files), "chunks": table.count_rows(), "dtype": str(vectors.dtype),
            "threads": torch.get_num_threads(), "import_and_open_seconds": opened - BEGAN,
            "work_seconds": done - opened, "model_seconds": model_seconds}


def search(model_folder, table_folder, question):
    import lancedb
    model = open_model(model_folder)
    opened = time.monotonic()
    table = lancedb.connect(table_folder).open_table("chunks")
    found = {}
    for seconds in ("first", "again"):
        before = time.monotonic()
        vector = model.encode([question], normalize_embeddings=True, show_progress_bar=False)[0]
        hits = table.search(vector).distance_type("cosine").limit(RESULTS).select(["key", "text", "_distance"]).to_list()
        found[seconds + "_seconds"] = time.monotonic() - before
    return {"import_and_open_seconds": opened - BEGAN, **found, "best": hits[0]["key"]}


def write_chunks(source, out_folder):
    """Writes each chunk of the files of `source` as one file, and returns how many. Needs nothing but this file."""
    written = 0
    for path in sorted(Path(source).glob("*.txt")):
        for number, text in enumerate(texts_of(path, False)):
            Path(out_folder, f"{path.stem}-{number}.txt").write_text(text, encoding="utf-8")
            written += 1
    return written


def main():
    command, model_folder, *rest = sys.argv[1:]
    if command == "index":
        out = index(model_folder, rest[0], rest[1], "--whole" in rest[2:])
    else:
        out = search(model_folder, rest[0], rest[1])
    print(json.dumps(out))


if __name__ == "__main__":
    main()
