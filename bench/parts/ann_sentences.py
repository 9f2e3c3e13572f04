"""Sentences of the text sets in ../shared/data, and their questions: the lines that the set `sentences` embeds.

Prose is cut after . ! ? before a space and a capital, and at line ends; Markdown by line; logs by line. A sentence has 20 to
400 characters and at least four words, and comes once: two with the same words are one, since the model sees hardly more.
Their order is that of a hash, so that no stretch is of one source.
"""
import csv
import hashlib
import json
import random
import re

from parts.process import SHARED

DATA = SHARED / "data"
MAX_SENTENCES = 100_000
QUESTIONS = 1_000
JUDGED = ("scifact", "cranfield", "squad-dev-v1.1")
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(\[])|\n+")
SPACE = re.compile(r"\s+")
NO_WORD = re.compile(r"\W+")
MIN_CHARACTERS, MAX_CHARACTERS, MIN_WORDS = 20, 400, 4
LOG_LINES_A_SYSTEM = 500  # logs repeat themselves: a quarter of each


def is_there():
    return all((DATA / name / "corpus.jsonl").exists() for name in JUDGED)


def json_lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def read(path):
    return path.read_text(encoding="utf-8", errors="replace")


def texts():
    for name in JUDGED:
        for document in json_lines(DATA / name / "corpus.jsonl"):
            yield document.get("title", "")
            yield document["text"]
    for path in sorted((DATA / "chroma-chunking-eval/corpora").glob("*.md")):
        yield read(path)
    for path in sorted((DATA / "docling-formats").rglob("*.md")):
        yield read(path)
    for path in sorted((DATA / "loghub-2k").glob("*/*_2k.log")):
        yield "\n".join(read(path).splitlines()[:LOG_LINES_A_SYSTEM])


def sentences():
    found = {}
    for text in texts():
        for piece in SENTENCE_END.split(text):
            piece = SPACE.sub(" ", piece).strip(" #*|-")
            if MIN_CHARACTERS <= len(piece) <= MAX_CHARACTERS and piece.count(" ") + 1 >= MIN_WORDS:
                found.setdefault(NO_WORD.sub(" ", piece.lower()).strip(), piece)
    return sorted(found.values(), key=lambda piece: hashlib.sha256(piece.encode()).digest())[:MAX_SENTENCES]


def questions():
    """An equal share from each set; what a small one cannot give comes from the larger ones."""
    pools = [[query["text"] for query in json_lines(DATA / name / "queries.jsonl")] for name in JUDGED]
    with open(DATA / "chroma-chunking-eval/questions_df.csv", encoding="utf-8", newline="") as file:
        pools.append([row["question"] for row in csv.DictReader(file)])
    pools = sorted((list(dict.fromkeys(SPACE.sub(" ", text).strip() for text in pool)) for pool in pools), key=len)
    draw = random.Random(1)
    chosen = []
    for done, pool in enumerate(pools):
        draw.shuffle(pool)
        chosen += pool[:(QUESTIONS - len(chosen)) // (len(pools) - done)]
    draw.shuffle(chosen)
    return chosen
