"""shutdown: random small worlds with what each predicate of shutdownability says of them, by brute force over Python's fractions; one update of a small network."""

import itertools
import json
import random
from fractions import Fraction as F

SEED = 18
WORLDS = 240


def make(folder):
    rng = random.Random(SEED)
    rows = []
    while len(rows) < WORLDS:
        world = draw(rng, len(rows))
        said = judge(world)
        if said is not None:
            rows.append({"world": world, "holds": said})
    (folder / "worlds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "network-update.json").write_text(json.dumps(network_update()) + "\n")


def network_update():
    """One step of REINFORCE, weights += scale * grad log pi(move), of a network with one hidden layer, by PyTorch in f64."""
    import torch

    torch.manual_seed(SEED)
    hidden, inputs, on, move, scale = 3, 6, [0, 2, 5], 2, 0.7
    before = {k: torch.randn(s, dtype=torch.float64, requires_grad=True) for k, s in {"w": (hidden, inputs), "b": (hidden,), "v": (4, hidden), "c": (4,)}.items()}
    x = torch.zeros(inputs, dtype=torch.float64)
    x[on] = 1
    chances = torch.log_softmax(before["v"] @ torch.tanh(before["w"] @ x + before["b"]) + before["c"], 0)
    chances[move].backward()
    flat = lambda t: t.detach().flatten().tolist()
    return {
        "hidden": hidden, "on": on, "move": move, "scale": scale, "chances": flat(chances.exp()),
        "before": {k: flat(t) for k, t in before.items()},
        "after": {k: flat(t + scale * t.grad) for k, t in before.items()},
    }


def draw(rng, i):
    names = "abcde"[: rng.randint(3, 5)]
    trajectories = []
    for name in names:
        n = rng.randint(1, 2)
        trajectories.append({"name": name, "length": n, "utilities": [str(F(rng.randint(0, 3), rng.choice([1, 1, 2]))) for _ in range(n)]})
    lotteries = []
    for name in ["X", "Y", "Z"][: rng.randint(1, 3)]:
        of = rng.sample(names, rng.choice([1, 2, 2, 3]))
        weights = [rng.randint(0 if n else 1, 4) for n in range(len(of))]
        lotteries.append({"name": name, "of": [[str(F(w, sum(weights))), t] for w, t in zip(weights, of)]})
    world = {"trajectories": trajectories, "lotteries": lotteries, "prefers": [], "indifferent": []}
    everything = list(names) + [x["name"] for x in lotteries]
    if i % 4 == 3:
        world["committee"] = []
        for m in range(rng.randint(1, 3)):
            member = {"name": f"m{m}", "values": {t: str(rng.randint(0, 3)) for t in names}}
            if rng.random() < 0.3:
                member["votesOn"] = rng.sample(everything, rng.randint(2, len(everything)))
            world["committee"].append(member)
    if i % 4 in (0, 1) or i % 16 == 11:
        world["rank"] = "sum"
    if i % 4 in (1, 2) or i % 8 == 7:
        for field, count in (("prefers", rng.randint(0, 3)), ("indifferent", rng.randint(0, 2))):
            world[field] = [rng.sample(everything, 2) for _ in range(count)]
    if rng.random() < 0.4:
        world["resists"] = rng.sample(everything, rng.randint(1, 2))
    return world


class World:
    def __init__(self, file):
        self.len = {t["name"]: t["length"] for t in file["trajectories"]}
        self.sum = {t["name"]: sum(map(F, t["utilities"]), F(0)) for t in file["trajectories"]}
        self.file = file
        given = [(t, {t: F(1)}) for t in self.len]
        for x in file["lotteries"]:
            given.append((x["name"], {t: F(w) for w, t in x["of"] if F(w) > 0}))
        self.by_name = {name: frozenset(of.items()) for name, of in given}
        self.listed = list(dict.fromkeys(self.by_name.values()))
        self.label = {}
        for name, x in given:
            self.label.setdefault(self.by_name[name], name)
        parts = [self.part(x, n) for x in self.listed for n in self.lengths(x)]
        self.nodes = list(dict.fromkeys(self.listed + parts))

    def lengths(self, x):
        return frozenset(self.len[t] for t, _ in x)

    def part(self, x, n):
        mass = sum(w for t, w in x if self.len[t] == n)
        return frozenset((t, w / mass) for t, w in x if self.len[t] == n)

    def mean(self, x, value):
        return sum((w * value[t] for t, w in x), F(0))

    def votes(self, member, x):
        domain = member.get("votesOn")
        named = {self.by_name[d] for d in domain or []}
        return domain is None or x in named or all(self.by_name[t] in named for t, _ in x)

    def agreement(self, x, y):
        signs = [self.mean(x, v) - self.mean(y, v) for v in self.values(x, y)]
        if not signs:
            return None
        if all(s == 0 for s in signs):
            return 0
        if all(s >= 0 for s in signs):
            return 1
        return -1 if all(s <= 0 for s in signs) else None

    def values(self, x, y):
        return [{t: F(v) for t, v in m["values"].items()} for m in self.file["committee"] if self.votes(m, x) and self.votes(m, y)]

    def links(self, among):
        """Ordered pairs, with True where strict."""
        out = {}
        for x, y in self.file["prefers"]:
            out.setdefault((self.by_name[x], self.by_name[y]), []).append(True)
        for x, y in self.file["indifferent"]:
            for pair in ((x, y), (y, x)):
                out.setdefault((self.by_name[pair[0]], self.by_name[pair[1]]), []).append(False)
        for x, y in itertools.permutations(among, 2):
            if self.file.get("rank") and len(self.lengths(x)) == 1 and self.lengths(x) == self.lengths(y):
                d = self.mean(x, self.sum) - self.mean(y, self.sum)
                if d >= 0:
                    out.setdefault((x, y), []).append(d > 0)
            if "committee" in self.file and not self.file["prefers"] and self.agreement(x, y) in (0, 1):
                out.setdefault((x, y), []).append(self.agreement(x, y) == 1)
        return out


def closed(nodes, pairs):
    weak = {(x, x) for x in nodes} | set(pairs)
    while True:
        more = {(a, d) for a, b in weak for c, d in weak if b == c} - weak
        if not more:
            return weak
        weak |= more


def judge(file):
    w = World(file)
    links = w.links(w.listed)
    strict_links = {pair for pair, kinds in links.items() if True in kinds}
    chains = set(strict_links)
    while True:
        more = {(a, d) for a, b in chains for c, d in chains if b == c} - chains
        if not more:
            break
        chains |= more
    if any(a == b for a, b in chains):
        return None  # bad input
    listed_closure = closed(w.listed, links)
    if "committee" in file and not (file["prefers"] or file["indifferent"] or file.get("rank")):
        weakly = lambda x, y: x == y or w.agreement(x, y) in (0, 1)
    else:
        weak = closed(w.nodes, w.links(w.nodes))
        weakly = lambda x, y: (x, y) in weak or x == y
    strictly = lambda x, y: weakly(x, y) and not weakly(y, x)
    pairs = list(itertools.permutations(w.listed, 2))
    every = lambda tests: None if not tests else all(tests)
    same = [(x, y) for x, y in pairs if w.lengths(x) == w.lengths(y)]
    across = [(x, y) for x, y in pairs if w.lengths(x) != w.lengths(y)]
    sure = lambda pair: all(len(x) == 1 for x in pair)

    post = every([not strictly(*p) for p in across if sure(p)])
    alike = [p for p in same if sure(p)]
    if post and alike and not any(strictly(*p) for p in alike):
        post = False

    def dominates(x, y):
        if w.lengths(x) != w.lengths(y):
            return False
        d = [w.mean(w.part(x, n), w.sum) - w.mean(w.part(y, n), w.sum) for n in w.lengths(x)]
        return all(v >= 0 for v in d) and any(v > 0 for v in d)

    def better_at_each(x, y):
        at = [(w.part(x, n), w.part(y, n)) for n in w.lengths(x)]
        return all(weakly(*p) for p in at) and any(strictly(*p) for p in at)

    plus = lambda x: sum(w.mean(w.part(x, n), w.sum) for n in w.lengths(x))
    resists = file.get("resists")
    resisting = {w.by_name[r] for r in resists or []}
    return {
        "suzumura": every([(b, a) not in listed_closure for a, b in strict_links]),
        "POST": post,
        "POSL": every([not strictly(*p) for p in across]),
        "TD": every([strictly(*p) for p in pairs if dominates(*p)]),
        "neutrality": every([strictly(*p) for p in same if better_at_each(*p)]),
        "neutrality+": every([strictly(x, y) == (plus(x) > plus(y)) for x, y in same]),
        "ILPACS": every([strictly(x, y) for x, y in pairs if len(x) + len(y) > 2 and has_split(w, weakly, strictly, x, y)]),
        "ReSIC": None if resists is None else every([any(dominates(y, x) for y in w.listed if y not in resisting) for x in resisting]),
        "unanimous": None if "committee" not in file else every([strictly(x, y) == (w.agreement(x, y) == 1) for x, y in pairs]),
    }


def has_split(w, weakly, strictly, x, y):
    """Every set of pieces and every set of lengths of a remainder is tried; a vertex walk says which weights can be positive."""
    inside = lambda whole: [n for n in w.nodes if n != whole and {t for t, _ in n} <= {t for t, _ in whole}]
    candidates = [(a, b) for a in inside(x) for b in inside(y) if weakly(a, b)]
    shared = [t for t, _ in x if t in dict(y)]
    lengths = sorted({w.len[t] for t in shared})
    for size in range(0, len(lengths) + 1):
        for left in itertools.combinations(lengths, size):
            rest = [t for t in shared if w.len[t] in left]
            fit = [c for c in candidates if not left or all(w.lengths(p) != frozenset(left) for p in c)]
            for k in range(1, min(len(fit), 4) + 1):
                for pieces in itertools.combinations(fit, k):
                    if not any(strictly(*p) for p in pieces):
                        continue
                    if any(strictly(a, b) or strictly(b, a) for p, q in itertools.combinations(pieces, 2) for a in p for b in q):
                        continue
                    if weights(w, dict(x), dict(y), pieces, left, rest, strictly):
                        return True
    return False


def weights(w, x, y, pieces, left, rest, strictly):
    k = len(pieces)
    rows = []
    for side, whole in ((0, x), (1, y)):
        for t in whole:
            row = [F(0)] * (2 * k + 2 + len(rest)) + [F(0)]
            for i, p in enumerate(pieces):
                row[side * k + i] = dict(p[side]).get(t, F(0))
            row[2 * k + side] = -whole[t]
            if t in rest:
                row[2 * k + 2 + rest.index(t)] = F(1)
            rows.append(row)
    rows.append([F(0)] * (2 * k) + [F(1), F(1)] + [F(0)] * len(rest) + [F(1)])
    vertices = list(basic_solutions(rows))
    if not vertices:
        return False
    mean = [sum(v[j] for v in vertices) / len(vertices) for j in range(len(rows[0]) - 1)]
    if any(mean[j] == 0 for j in range(2 * k)):
        return False
    if any(all(mean[2 * k + 2 + j] == 0 for j, t in enumerate(rest) if w.len[t] == n) for n in left):
        return False
    if not left:
        return True
    mass = sum(mean[2 * k + 2 :])
    remainder = frozenset((t, mean[2 * k + 2 + j] / mass) for j, t in enumerate(rest) if mean[2 * k + 2 + j] > 0)
    return not any(strictly(a, remainder) or strictly(remainder, a) for p in pieces for a in p)


def basic_solutions(rows):
    """Vertices of A x = b, x >= 0, one basis after another."""
    reduced = eliminate([row[:] for row in rows], range(len(rows[0]) - 1))
    if reduced is None:
        return
    rank = len(reduced)
    n = len(rows[0]) - 1
    for basis in itertools.combinations(range(n), rank):
        square = [[row[j] for j in basis] + [row[n]] for row in reduced]
        solved = eliminate(square, range(rank))
        if solved is None or len(solved) < rank:
            continue
        values = [row[rank] for row in solved]
        if all(v >= 0 for v in values):
            point = [F(0)] * n
            for j, v in zip(basis, values):
                point[j] = v
            yield point


def eliminate(rows, columns):
    """Reduced rows without those that are zero; nothing where the equations contradict each other."""
    done = 0
    for j in columns:
        at = next((i for i in range(done, len(rows)) if rows[i][j] != 0), None)
        if at is None:
            continue
        rows[done], rows[at] = rows[at], rows[done]
        head = rows[done][j]
        rows[done] = [v / head for v in rows[done]]
        for i in range(len(rows)):
            if i != done and rows[i][j] != 0:
                factor = rows[i][j]
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[done])]
        done += 1
    if any(row[-1] != 0 for row in rows[done:]):
        return None
    return rows[:done]
