"""What a cold search should take: in every round the slowest of its requests, and all bytes once through the link."""
import math
import random

MEDIAN, P99 = 0.030, 0.100  # seconds, of one request
P99_SIGMAS = 2.326
DRAWS = 4_000


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(part * len(ordered)) - 1)]


def draw(delay, chance):
    if delay.startswith("constant"):
        return MEDIAN
    return MEDIAN * math.exp(chance.gauss(0, math.log(P99 / MEDIAN) / P99_SIGMAS))


def modelled(delay, shapes, bandwidth):
    """p50 and p99 in seconds. `shapes`: of some searches the requests of each round, and the bytes; `bandwidth`: bytes a second."""
    chance = random.Random(len(shapes))
    draws = len(shapes) * (1 if delay.startswith("constant") else max(1, DRAWS // len(shapes)))
    sums = []
    for number in range(draws):
        rounds, count = shapes[number % len(shapes)]
        sums.append(sum(max(draw(delay, chance) for _ in range(wide)) for wide in rounds) + count / bandwidth)
    return {name: round(percentile(sums, part), 4) for name, part in (("p50", 0.5), ("p99", 0.99))}


def times(seconds):
    return {name: round(percentile(seconds, part), 4) for name, part in (("p50", 0.5), ("p99", 0.99))}
