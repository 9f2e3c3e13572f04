"""What soaks have done so far: kept in the cache folder, so that the next one goes on."""
import json
import os
import sys
from pathlib import Path

from parts.process import machine


class Record:
    """Counts of all runs of one soak. `counts` is what the caller adds to; each save is whole or not there."""

    def __init__(self, name, afresh):
        folder = Path(os.environ["KEDGE_DOWNLOADS"]) / "soak"  # ./dev sets it
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}.json"
        self.state = {"commits": [], "counts": {}}
        if self.path.exists() and not afresh:
            try:
                self.state = json.loads(self.path.read_text(encoding="utf-8"))
            except ValueError:
                sys.exit(f"soak: {self.path} cannot be read: remove it, or go without what it counted (--afresh)")
        commit = machine()["commit"]
        if commit not in self.state["commits"]:
            self.state["commits"].append(commit)

    @property
    def counts(self):
        return self.state["counts"]

    def add(self, found):
        for name, count in found.items():
            self.counts[name] = self.counts.get(name, 0) + count
        self.save()

    def save(self):
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps(self.state, indent=2) + "\n", encoding="utf-8")
        fresh.replace(self.path)

    def report(self, **more):
        return {"machine": machine(), **self.state, **more, "kept_in": self.path.name}


def add_options(parser, minutes):
    parser.add_argument("--minutes", type=float, default=minutes, help=f"how long this run goes on (default {minutes:g})")
    parser.add_argument("--afresh", action="store_true", help="forget what was counted before")
    parser.add_argument("--json", metavar="FILE", help="write all counts there")


def tell(arguments, report):
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))
