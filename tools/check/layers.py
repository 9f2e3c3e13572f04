"""Checks every #include against src/LAYERS.

* The graph has no cycle, and each layer comes after the ones it uses.
* A file of src/LAYER includes its own layer and those that LAYERS names for it, nothing else of this repository.
* include/kedge includes the standard library and itself; only api and what is above it includes kedge/, but for the
  words that the inside shares with it (result.h), which base passes on.
* cli sees what a user of the library sees: kedge/, itself, and the server that it starts.
"""
import re

from _files import ROOT, files, finish, text

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">]+)[">]', re.MULTILINE)
OVERRIDES = {"cli": {"server"}}
SHARED_WORDS = {("base", "kedge/result.h")}
USES_PUBLIC = {"api", "server", "cli"}


def read_graph(problems):
    graph = {}
    for number, line in enumerate(text("src/LAYERS").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        layer, _, uses = line.partition(":")
        if layer in graph:
            problems.append(f"src/LAYERS:{number}: {layer} is named twice")
        for used in uses.split():
            if used not in graph:
                problems.append(f"src/LAYERS:{number}: {layer} uses {used}, which no line above names")
        graph[layer] = set(uses.split())
    return graph


def check_layer_file(path, quote, name, graph):
    layer, target = path.parts[1], name.partition("/")[0]
    if target == "kedge":
        allowed = layer in USES_PUBLIC or (layer, name) in SHARED_WORDS
        return None if allowed else "includes the public API, which stands above it"
    if quote == "<":
        return f"includes <{name}> of this repository with <>" if target in graph and "/" in name else None
    if target not in graph:
        return f'includes "{name}", which is in no layer (paths start at src/)'
    allowed = OVERRIDES.get(layer, graph[layer]) | {layer}
    if target not in allowed:
        return f'includes "{name}": {layer} may use {" ".join(sorted(allowed - {layer})) or "nothing"}'
    return None if (ROOT / "src" / name).is_file() else f'includes "{name}", which does not exist'


def check_public_file(quote, name):
    if name.startswith("kedge/"):
        return None if (ROOT / "include" / name).is_file() else f'includes "{name}", which does not exist'
    if quote == "<" and re.fullmatch(r"[a-z_]+", name):
        return None
    return f"a public header includes {name}: only the standard library and kedge/ may be seen there"


def main():
    problems = []
    graph = read_graph(problems)
    for path in files(".h", ".cc"):
        contents = text(path)
        for match in INCLUDE.finditer(contents):
            problem = None
            if path.parts[0] == "src":
                if path.parts[1] not in graph:
                    problem = f"src/{path.parts[1]} is not in src/LAYERS"
                else:
                    problem = check_layer_file(path, *match.groups(), graph)
            elif path.parts[0] == "include":
                problem = check_public_file(*match.groups())
            if problem:
                problems.append(f"{path}:{contents.count(chr(10), 0, match.start()) + 1}: {problem}")
    finish(problems)


main()
