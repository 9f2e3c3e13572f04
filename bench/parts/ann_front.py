"""Points of (recall, queries a second) and what can be read from them."""
import math


def front(points):
    """The points that no other beats in both, by rising recall."""
    found, best = [], -math.inf
    for point in sorted(points, key=lambda point: (-point["recall"], -point["qps"])):
        if point["qps"] > best:
            found.append(point)
            best = point["qps"]
    return found[::-1]


def at_recall(points, target):
    """(queries a second at exactly this recall, whether that is a lower bound); None where no point reaches it.

    Between two points of the front log(QPS) is taken as linear in recall. A lower bound: every point lies above the target,
    and there is more than one, as an exhaustive search has.
    """
    line = front(points)
    if not line or line[-1]["recall"] < target:
        return None
    for low, high in zip(line, line[1:]):
        if low["recall"] <= target <= high["recall"]:
            share = (target - low["recall"]) / (high["recall"] - low["recall"])
            return math.exp((1 - share) * math.log(low["qps"]) + share * math.log(high["qps"])), False
    return line[0]["qps"], line[0]["recall"] > target and len(points) > 1
