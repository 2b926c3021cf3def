"""Random graphs written as edge lists ``uAAvBB``: the rule, the sampler and its probe.

Vertices are 01 to 99, and a graph of ``length`` characters has ``length // 6`` edges. An array of
graphs is an int64 array of shape ``(n, edges, 2)``, vertices from 0, before its labels are drawn.
"""

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from llm_erm.tasks.rules import ZERO, Bools, Codes
from llm_erm.tasks.samplers import Rows, below, kept, until

VERTICES = 99
CHUNK = 20_000  # graphs whose components are found at once: bounds the memory

Edges = NDArray[np.int64]


def threshold(edges: int) -> int:
    """Returns how many independent cycles a graph with so many edges may have at label 0."""
    return max(1, edges // 6)


def cyclic(codes: Codes) -> Bools:
    """Tells which rows are graphs with more independent cycles than the threshold.

    The number of independent cycles is E − V + C: edges listed, vertices that occur, connected
    components. Edges ``u00v00`` are padding. The threshold counts padding too: it is set by length.
    """
    edges = codes.shape[1] // 6
    parts = [_cycles(codes[i : i + CHUNK]) for i in range(0, len(codes), CHUNK)]
    return np.concatenate(parts or [np.zeros(0, dtype=np.int64)]) > threshold(edges)


def _cycles(codes: Codes) -> NDArray[np.int64]:
    """Counts the independent cycles of each row."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, edges = len(codes), codes.shape[1] // 6
    digits = codes.reshape(n, edges, 6).astype(np.int64) - ZERO
    ends = digits[:, :, [1, 4]] * 10 + digits[:, :, [2, 5]]
    real = (ends > 0).any(axis=2)
    # All graphs at once, each on its own 100 nodes. A vertex that does not occur is a component of
    # its own, so that E − V + C is also E − 100 + components.
    nodes = ends + 100 * np.arange(n)[:, None, None]
    size = 100 * n
    ones = np.ones(n * edges, dtype=np.int8)
    graph = coo_array((ones, (nodes[:, :, 0].ravel(), nodes[:, :, 1].ravel())), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    _, first = np.unique(component, return_index=True)
    counts: NDArray[np.int64] = real.sum(axis=1) - 100 + np.bincount(first // 100, minlength=n)
    return counts


def many_triangles(rng: RandomState, length: int, count: int) -> Codes:
    """Draws graphs of many components: triangles, isolated edges, edges between triangles."""
    edges = length // 6
    least = threshold(edges) + 1

    def some(n: int) -> Codes:
        triangles = least + below(rng, edges // 3 - least + 1, n)
        isolated = (edges - 3 * triangles) // 2
        return written(rng, _triangles(rng, edges, triangles, isolated, bridges=True))

    return kept(lambda _, __, n: until(n, length, some), cyclic, label=True)(rng, length, count)


def trees_with_extra_edges(rng: RandomState, length: int, count: int) -> Codes:
    """Draws connected graphs: a random tree and so many extra edges as keep label 0."""
    edges = length // 6
    fewest = max(0, edges + 1 - VERTICES)

    def some(n: int) -> Codes:
        extra = fewest + below(rng, threshold(edges) - fewest + 1, n)
        return written(rng, _connected(rng, edges, extra))

    return kept(lambda _, __, n: until(n, length, some), cyclic, label=False)(rng, length, count)


def with_cycles_beyond(beyond: int) -> Rows:
    """Returns a sampler of graphs with exactly ``threshold + beyond`` independent cycles.

    Half of them are connected and half are triangles among trees and isolated edges, so that
    counting components, vertices or triangles alone does not tell the classes apart.
    """

    def rows(rng: RandomState, length: int, count: int) -> Codes:
        edges = length // 6
        cycles = threshold(edges) + beyond

        def some(n: int) -> Codes:
            connected = _connected(rng, edges, np.full(n - n // 2, cycles))
            isolated = below(rng, min(edges - 3 * cycles, VERTICES - edges) + 1, n // 2)
            triangles = np.full(n // 2, cycles)
            apart = _triangles(rng, edges, triangles, isolated, bridges=False)
            graph = np.concatenate([connected, apart])
            return written(rng, graph[rng.permutation(len(graph))])

        return until(count, length, some)

    return rows


def _triangles(
    rng: RandomState,
    edges: int,
    triangles: NDArray[np.int64],
    isolated: NDArray[np.int64],
    bridges: bool,
) -> Edges:
    """Draws graphs of so many triangles and isolated edges; drops rows with a repeated edge.

    The edges that are left join two triangles each (bridges), or else hang a new vertex each on
    the graph, which closes no cycle.
    """
    n = len(triangles)
    graph = np.empty((n, edges, 2), dtype=np.int64)
    for e in range(edges):
        k = e - 3 * triangles  # below 0 in a triangle, below `isolated` alone, else joining
        pair = 3 * triangles + 2 * k
        if bridges:
            first = below(rng, 3 * triangles, n)
            steps = 1 + below(rng, np.maximum(triangles - 1, 1), n)
            second = 3 * ((first // 3 + steps) % triangles) + below(rng, 3, n)
        else:
            first = 3 * triangles + isolated + k
            second = below(rng, np.maximum(first, 1), n)
        within = e - e % 3 + (e + 1) % 3
        graph[:, e, 0] = np.where(k < 0, e, np.where(k < isolated, pair, first))
        graph[:, e, 1] = np.where(k < 0, within, np.where(k < isolated, pair + 1, second))
    return graph[_simple(graph)]


def _connected(rng: RandomState, edges: int, extra: NDArray[np.int64]) -> Edges:
    """Draws random trees with ``extra`` further edges each; drops rows with a repeated edge."""
    n = len(extra)
    vertices = edges + 1 - extra
    graph = np.empty((n, edges, 2), dtype=np.int64)
    for e in range(edges):
        in_tree = e + 1 < vertices
        first = np.where(in_tree, e + 1, below(rng, vertices, n))
        graph[:, e, 0] = first
        other = (first + 1 + below(rng, vertices - 1, n)) % vertices
        graph[:, e, 1] = np.where(in_tree, below(rng, e + 1, n), other)
    return graph[_simple(graph)]


def _simple(graph: Edges) -> Bools:
    """Tells which graphs repeat no edge."""
    codes = np.sort(graph.min(axis=2) * 100 + graph.max(axis=2), axis=1)
    simple: Bools = (codes[:, 1:] != codes[:, :-1]).all(axis=1)
    return simple


def written(rng: RandomState, graph: Edges) -> Codes:
    """Writes graphs with random labels, edge order and edge directions."""
    n, edges, _ = graph.shape
    labels = np.argsort(rng.random_sample((n, VERTICES)), axis=1, kind="stable") + 1
    order = np.argsort(rng.random_sample((n, edges)), axis=1, kind="stable")
    turned = rng.random_sample((n, edges)) < 0.5
    ends = np.take_along_axis(graph, order[:, :, None], axis=1)
    ends = np.where(turned[:, :, None], ends[:, :, ::-1], ends)
    ends = np.take_along_axis(labels[:, None, :], ends, axis=2)
    codes = np.empty((n, edges, 6), dtype=np.uint8)
    codes[:, :, 0], codes[:, :, 3] = ord("u"), ord("v")
    codes[:, :, [1, 4]] = ends // 10 + ZERO
    codes[:, :, [2, 5]] = ends % 10 + ZERO
    return codes.reshape(n, 6 * edges)
