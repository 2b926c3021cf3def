"""Random graphs written as edge lists ``uAAvBB``: the rule, its samplers and its contrast set.

Vertices are 01 to 99, and a graph of ``length`` characters has ``length // 6`` edges. Before
vertex names are drawn, graphs are an int64 array of shape ``(n, edges, 2)`` with vertices numbered
from 0.
"""

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from llm_erm.tasks.rules import ZERO, Bools, Codes
from llm_erm.tasks.samplers import Rows, below, collect, rejection

VERTICES = 99
CHUNK = 20_000  # graphs whose components are found at a time, to bound the memory

Edges = NDArray[np.int64]


def threshold(edges: int) -> int:
    """Returns the most independent cycles that a graph with this many edges has at label 0."""
    return max(1, edges // 6)


def cyclic(codes: Codes) -> Bools:
    """Returns which rows are graphs with more independent cycles than the threshold.

    The number of independent cycles is E − V + C, for E edges listed, V vertices that occur and C
    connected components. Edges ``u00v00`` are padding; the threshold counts them, since it depends
    on the length alone.
    """
    edges = codes.shape[1] // 6
    parts = [_cycles(codes[i : i + CHUNK]) for i in range(0, len(codes), CHUNK)]
    return np.concatenate(parts or [np.zeros(0, dtype=np.int64)]) > threshold(edges)


def _cycles(codes: Codes) -> NDArray[np.int64]:
    """Returns the number of independent cycles of each row."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, edges = len(codes), codes.shape[1] // 6
    digits = codes.reshape(n, edges, 6).astype(np.int64) - ZERO
    ends = digits[:, :, [1, 4]] * 10 + digits[:, :, [2, 5]]
    real = (ends > 0).any(axis=2)
    # All graphs at once, each on its own 100 nodes. A vertex that does not occur is a component by
    # itself, so E − V + C equals E − 100 + components.
    nodes = ends + 100 * np.arange(n)[:, None, None]
    size = 100 * n
    ones = np.ones(n * edges, dtype=np.int8)
    graph = coo_array((ones, (nodes[:, :, 0].ravel(), nodes[:, :, 1].ravel())), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    _, first = np.unique(component, return_index=True)
    counts: NDArray[np.int64] = real.sum(axis=1) - 100 + np.bincount(first // 100, minlength=n)
    return counts


def many_triangles(rng: RandomState, length: int, count: int) -> Codes:
    """Draws graphs with many components: triangles, isolated edges, edges between triangles."""
    edges = length // 6
    least = threshold(edges) + 1

    def draw_batch(n: int) -> Codes:
        triangles = least + below(rng, edges // 3 - least + 1, n)
        isolated = (edges - 3 * triangles) // 2
        return encode(rng, _triangles(rng, edges, triangles, isolated, bridges=True))

    return rejection(lambda _, __, n: collect(n, length, draw_batch), cyclic, label=True)(
        rng, length, count
    )


def trees_with_extra_edges(rng: RandomState, length: int, count: int) -> Codes:
    """Draws connected graphs of label 0: a random tree plus at most ``threshold`` extra edges."""
    edges = length // 6
    fewest = max(0, edges + 1 - VERTICES)

    def draw_batch(n: int) -> Codes:
        extra = fewest + below(rng, threshold(edges) - fewest + 1, n)
        return encode(rng, _connected(rng, edges, extra))

    return rejection(lambda _, __, n: collect(n, length, draw_batch), cyclic, label=False)(
        rng, length, count
    )


def with_cycles_beyond(beyond: int) -> Rows:
    """Returns a sampler of graphs with exactly ``threshold + beyond`` independent cycles.

    Half of them are connected, and half are triangles with trees and isolated edges, so that
    counting components, vertices or triangles alone does not separate the classes.
    """

    def rows(rng: RandomState, length: int, count: int) -> Codes:
        edges = length // 6
        cycles = threshold(edges) + beyond

        def draw_batch(n: int) -> Codes:
            connected = _connected(rng, edges, np.full(n - n // 2, cycles))
            isolated = below(rng, min(edges - 3 * cycles, VERTICES - edges) + 1, n // 2)
            triangles = np.full(n // 2, cycles)
            apart = _triangles(rng, edges, triangles, isolated, bridges=False)
            graph = np.concatenate([connected, apart])
            return encode(rng, graph[rng.permutation(len(graph))])

        return collect(count, length, draw_batch)

    return rows


def _triangles(
    rng: RandomState,
    edges: int,
    triangles: NDArray[np.int64],
    isolated: NDArray[np.int64],
    bridges: bool,
) -> Edges:
    """Draws graphs with these numbers of triangles and isolated edges.

    Each remaining edge joins two triangles (``bridges``) or attaches a new vertex to the graph,
    which closes no cycle. Rows with a repeated edge are dropped.
    """
    n = len(triangles)
    graph = np.empty((n, edges, 2), dtype=np.int64)
    for e in range(edges):
        k = e - 3 * triangles  # below 0: in a triangle; below `isolated`: isolated; else joining
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
    """Draws random trees with ``extra`` further edges; drops rows with a repeated edge."""
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
    """Returns which graphs repeat no edge."""
    codes = np.sort(graph.min(axis=2) * 100 + graph.max(axis=2), axis=1)
    simple: Bools = (codes[:, 1:] != codes[:, :-1]).all(axis=1)
    return simple


def encode(rng: RandomState, graph: Edges) -> Codes:
    """Returns graphs as codes, with random vertex names, edge order and edge directions."""
    n, edges, _ = graph.shape
    names = np.argsort(rng.random_sample((n, VERTICES)), axis=1, kind="stable") + 1
    order = np.argsort(rng.random_sample((n, edges)), axis=1, kind="stable")
    flipped = rng.random_sample((n, edges)) < 0.5
    ends = np.take_along_axis(graph, order[:, :, None], axis=1)
    ends = np.where(flipped[:, :, None], ends[:, :, ::-1], ends)
    ends = np.take_along_axis(names[:, None, :], ends, axis=2)
    codes = np.empty((n, edges, 6), dtype=np.uint8)
    codes[:, :, 0], codes[:, :, 3] = ord("u"), ord("v")
    codes[:, :, [1, 4]] = ends // 10 + ZERO
    codes[:, :, [2, 5]] = ends % 10 + ZERO
    return codes.reshape(n, 6 * edges)
