"""Keys that nearly have the shape of an index's files: a collection must leave every one of them as it is."""
from concurrent.futures import ThreadPoolExecutor

FIRST, SECOND = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
FILES = [f"seg/01/{FIRST}", f"del/{FIRST}-{SECOND}", f"tree/{FIRST}", f"history/00000000000000000001-{FIRST}"]
SHAPES = [*FILES, "head", "opening/blocks", f"probe/{FIRST}"]
CACHE_SHAPES = [f"pack/{FIRST}", "head", f"history/00000000000000000001-{FIRST}"]
LOOKS_LIKE = {"a": "\u0430", "e": "\u0435", "o": "\u043e", "c": "\u0441", "p": "\u0440", "s": "\u0455", "0": "\uff10",
              "1": "l", "/": "\u2215", "-": "\u2010"}
SUFFIXES = [".tmp", ".bak", "/", "/x", " ", "~", "%20", "\u200b", "0"]
PREFIXES = ["x", "/", "./", "../", "index/", "seg/01/", "cache/", "%2e/", "old/"]
# Beside the prefix of the index: there every key is another's, whatever its shape.
SIBLINGS = ["index2/", "index.old/", "Index/", "inde/", "xindex/", "old/index/", "index-/", "\u0456ndex/", ""]


def one_off(shape):
    """Every key that differs from this one in one place."""
    for at, letter in enumerate(shape):
        before, after = shape[:at], shape[at + 1:]
        yield before + after
        yield before + 2 * letter + after
        yield before + ("g" if letter.isalnum() else "_") + after
        if letter.upper() != letter:
            yield before + letter.upper() + after
        if letter in LOOKS_LIKE:
            yield before + LOOKS_LIKE[letter] + after


def names(prefix, cache):
    """All of them, each once; the prefixes of an index, "index/", and of the embedding cache in it, "index/cache/<space>/"."""
    found = {f"{prefix}{name}" for shape in SHAPES for name in one_off(shape)}
    found |= {f"{prefix}{shape}{suffix}" for shape in SHAPES for suffix in SUFFIXES}
    found |= {f"{cache}{name}" for shape in CACHE_SHAPES for name in one_off(shape)}
    found |= {f"{prefix}{before}{shape}" for shape in FILES for before in PREFIXES}
    found |= {f"{sibling}{shape}" for shape in SHAPES for sibling in SIBLINGS}
    found |= {prefix.rstrip("/"), f"{prefix}pack/{FIRST}", f"{prefix}cache/{FILES[0]}", f"{cache}{FILES[0]}", f"{prefix}cache/pack/{FIRST}", f"{prefix}seg/02/{FIRST}",
              f"{prefix}history/00000000000000000000-{FIRST}", f"{prefix}history/99999999999999999999-{FIRST}",
              f"{prefix}notes.txt", f"{prefix}.kedge", f"{prefix}seg/README", f"{prefix}history/README"}
    # Of these an index has the like itself, or it is a shape again.
    return sorted(found - {f"{prefix}{shape}" for shape in SHAPES} - {f"{cache}{shape}" for shape in CACHE_SHAPES})


def cache_of(keys):
    """The prefix of the embedding cache that an index with these keys has."""
    head, = [key for key in keys if "/cache/" in key and key.endswith("/head")]
    return head.removesuffix("head")


def may_change(key, prefix):
    """Whether a collection writes this key or makes it: heads and their history."""
    parts = key.removeprefix(prefix).split("/")
    return parts[-1] == "head" and len(parts) in (1, 3) or "history" in parts[:-1]


def put(client, bucket, keys):
    """Each with a body of its own."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: client.put_object(Bucket=bucket, Key=key, Body=f"of another: {key}".encode()), keys))
