#!/usr/bin/env python3
"""Answers a question without an index: reads every file, counts the question's words, and ranks by how many there are and
how rare (tf-idf, logarithmic). What a careful script around grep does; it knows nothing but the words.

    words.py FOLDER QUESTION
"""
import json
import math
import re
import sys
from pathlib import Path

RESULTS = 10
WORD = re.compile(rb"\w+")


def main():
    folder, question = Path(sys.argv[1]), sys.argv[2]
    wanted = set(WORD.findall(question.lower().encode()))
    counts, files = {}, 0
    for path in folder.glob("*.txt"):
        files += 1
        found = {}
        for word in WORD.findall(path.read_bytes().lower()):
            if word in wanted:
                found[word] = found.get(word, 0) + 1
        if found:
            counts[path.name] = found
    holding = {word: sum(word in found for found in counts.values()) for word in wanted}

    def score(found):
        return sum((1 + math.log(count)) * math.log(1 + files / holding[word]) for word, count in found.items())

    best = sorted(counts, key=lambda name: score(counts[name]), reverse=True)[:RESULTS]
    print(json.dumps({"files": files, "best": best}))


if __name__ == "__main__":
    main()
