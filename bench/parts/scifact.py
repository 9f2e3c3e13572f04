"""SciFact as files, one an abstract; and each chunk of the peer as one file, so that both embed the same texts."""
import json

from parts import peer_pipeline
from parts.process import SHARED, say

DATA = SHARED / "data/scifact"


def is_there():
    if DATA.exists():
        return True
    say("bench: SKIPPED scifact: the data is not there")
    return False


def write_abstracts(folder, count=None):
    """The first `count` abstracts (all, if None) as title, blank line, text. Returns how many."""
    folder.mkdir()
    with open(DATA / "corpus.jsonl", encoding="utf-8") as corpus:
        lines = list(corpus)[:count]
    for line in lines:
        document = json.loads(line)
        (folder / f"{document['_id']}.txt").write_text(f"{document['title']}\n\n{document['text']}\n", encoding="utf-8")
    return len(lines)


def write_chunks(abstracts, folder):
    folder.mkdir()
    return peer_pipeline.write_chunks(abstracts, folder)


def question():
    """The first judged question."""
    judged = (DATA / "qrels/test.tsv").read_text(encoding="utf-8").splitlines()[1].split()[0]
    with open(DATA / "queries.jsonl", encoding="utf-8") as queries:
        return next(query["text"] for query in map(json.loads, queries) if query["_id"] == judged)
