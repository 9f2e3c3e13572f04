"""Records with metadata for filters, and of each question and filter the true nearest, by looking at every row.

    python filter_truth.py BASE.fvecs QUERY.fvecs QUESTIONS FOLDER SHARE...

Writes records.jsonl (vectors to six digits, `part` uniform in [0, 100) from a seed, unlike anything in the vectors) and
truth.json: {"matches": {SHARE: n}, "truth": {SHARE: [[ids of the 10 nearest] a question]}}; SHARE in percent.
"""
import json
import sys
from pathlib import Path

import numpy as np

SEED, K, AT_ONCE = 11, 10, 1000


def read_fvecs(path, rows=None):
    flat = np.fromfile(path, dtype=np.float32)
    dimension = int(flat[:1].view(np.int32)[0])
    return flat.reshape(-1, dimension + 1)[:rows, 1:]


def main():
    base, query, folder = read_fvecs(sys.argv[1]), read_fvecs(sys.argv[2], int(sys.argv[3])), Path(sys.argv[4])
    base = np.round(base, 6)
    parts = np.round(np.random.default_rng(SEED).random(len(base)) * 100, 4)
    with open(folder / "records.jsonl", "w", encoding="utf-8") as file:
        for begin in range(0, len(base), AT_ONCE):
            for number, (row, part) in enumerate(zip(base[begin:begin + AT_ONCE], parts[begin:begin + AT_ONCE]), begin):
                values = ",".join(f"{value:.6g}" for value in row)
                file.write(f'{{"id": "{number}", "vector": [{values}], "metadata": {{"part": {part}}}}}\n')
    near = (query / np.linalg.norm(query, axis=1, keepdims=True)) @ (base / np.linalg.norm(base, axis=1, keepdims=True)).T
    matches, truth = {}, {}
    for share in sys.argv[5:]:
        inside = np.flatnonzero(parts < float(share))
        order = np.argsort(-near[:, inside], axis=1)[:, :K]
        matches[share], truth[share] = len(inside), [[str(inside[at]) for at in row] for row in order]
    (folder / "truth.json").write_text(json.dumps({"matches": matches, "truth": truth}), encoding="utf-8")


if __name__ == "__main__":
    main()
