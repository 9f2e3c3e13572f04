"""The sets of vectors of `./dev bench ann`: made once, in the folder ann-data of the cache, each with its exact truth.

A folder holds base.fvecs (made-10000000: base.npy, f16), query.fvecs, truth.ivecs, and set.json, which is there when all is.
"""
import json
import os
import shutil
from pathlib import Path
from typing import NamedTuple

from parts import ann_sentences, peer
from parts.process import CORES, SHARED, run, say

BENCH = Path(__file__).resolve().parents[1]


class Kind(NamedTuple):
    title: str
    recipe: str  # another number: made anew
    build_seconds: int  # a peer's limit, of CPU time
    sweep_seconds: int


SETS = {
    "fashion": Kind("Fashion-MNIST, pixels, L2", "1", 150, 25),
    "sentences": Kind("sentences of the text sets, all-MiniLM-L6-v2, cosine", "2", 150, 25),
    "text1m": Kind("windows of text, weighted means of token vectors, cosine", "1", 400, 120),
    "text250k": Kind("the first 250,000 of text1m, cosine", "1", 400, 45),
}
MADE = Kind("made vectors, cosine", "1", 400, 60)
CUT_RECIPE = "1"


def kind_of(name):
    return SETS.get(name, MADE)


def names_of(chosen, scale):
    """text1m brings text250k, for the peers that are too slow for a million."""
    names = [name for name in SETS if name in chosen or (name == "text250k" and "text1m" in chosen)]
    return names + ([f"made-{scale}"] if scale else [])


def read(folder):
    return json.loads((folder / "set.json").read_text(encoding="utf-8"))


def make(python, folder, recipe, name, *options):
    """Fills a folder beside its place and moves it there, unless it is there, by this recipe."""
    if (folder / "set.json").exists() and read(folder)["recipe"] == recipe:
        return folder
    say(f"bench: making {folder.name} in the cache folder, once")
    begun = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(begun, ignore_errors=True)
    begun.mkdir(parents=True)
    if name == "sentences":
        embed_sentences(begun)
    run([python, "-m", "parts.ann_make", name, begun, "--recipe", recipe, *options], environment())
    shutil.rmtree(folder, ignore_errors=True)
    begun.rename(folder)
    return folder


def embed_sentences(folder):
    program = Path(os.environ["KEDGE_BIN"]).parent / "embed_lines_bench"
    for name, lines, role in (("base", ann_sentences.sentences(), "document"), ("query", ann_sentences.questions(), "query")):
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        run([program, os.environ["KEDGE_MODEL_DIR"], folder / f"{name}.txt", folder / f"{name}.fvecs", role, CORES],
            environment())


def environment():
    """Of the programs in the peers' environment. OpenBLAS's own choice of kernels stands."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    return {**kept, "PYTHONPATH": str(BENCH), "PYTHONDONTWRITEBYTECODE": "1", "KEDGE_SHARED": str(SHARED)}


def ready(name, python, quick):
    """The folder of a set; None, with a word, if it cannot be made. `quick`: of its first tenth."""
    data = peer.cache_folder() / "ann-data"
    if name == "fashion" and not (SHARED / "data/fashion-mnist").exists() or not ann_sentences.is_there():
        say(f"bench: SKIPPED {name}: the data is not there")
        return None
    if name.startswith("made-"):
        folder = make(python, data / name, MADE.recipe, "made", "--rows", name.removeprefix("made-"))
    elif name == "text250k":
        whole = ready("text1m", python, False)
        folder = make(python, data / name, SETS[name].recipe, "cut", "--from", whole, "--rows", 250_000)
    else:
        model = os.environ["KEDGE_MODEL_DIR"]
        folder = make(python, data / name, SETS[name].recipe, name, "--model", model)
    if not quick:
        return folder
    recipe = f"{CUT_RECIPE} of {read(folder)['recipe']}"
    return make(python, data / f"{name}-tenth", recipe, "cut", "--from", folder, "--rows", read(folder)["rows"] // 10)
