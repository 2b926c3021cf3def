"""Random graphs written as edge lists ``uAAvBB``: the rule, its samplers and its contrast set.

Vertices are 01 to 99, and a graph of ``length`` characters has ``length // 6`` edges. Before
vertex names are drawn, graphs are an int64 array of shape ``(n, edges, 2)`` with vertices numbered
from 0.
"""

from functools import cache

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from llm_erm.tasks.rules import ZERO, Bools, Codes
from llm_erm.tasks.samplers import Rows, below, collect

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
    digits = codes.reshape(len(codes), edges, 6)[:, :, [1, 4, 2, 5]].astype(np.int64) - ZERO
    return _cycles(digits[:, :, :2] * 10 + digits[:, :, 2:]) > threshold(edges)


def _cycles(graphs: Edges) -> NDArray[np.int64]:
    """Returns the number of independent cycles of each graph; its vertices count from 1."""
    parts = [_cycles_at_once(graphs[i : i + CHUNK]) for i in range(0, len(graphs), CHUNK)]
    return np.concatenate(parts or [np.zeros(0, dtype=np.int64)])


def _cycles_at_once(ends: Edges) -> NDArray[np.int64]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, edges, _ = ends.shape
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


def clusters(rng: RandomState, length: int, count: int) -> Codes:
    """Draws graphs of label 1: triangles, isolated edges, and edges between triangles."""
    return collect(count, length, lambda n: encode(rng, _clusters(rng, length // 6, n)))


def rewired_clusters(rng: RandomState, length: int, count: int) -> Codes:
    """Draws graphs of label 0 that no count of vertices, degrees or isolated edges gives away.

    They are ``clusters`` whose other edges are matched anew until few components are left. A graph
    is matched until that succeeds, so both classes have the same distribution of degrees.
    """
    edges = length // 6
    return collect(count, length, lambda n: encode(rng, _rewired(rng, _clusters(rng, edges, n))))


def _clusters(rng: RandomState, edges: int, n: int) -> Edges:
    """Draws up to ``n`` graphs of more than ``threshold`` triangles, few of them joined."""
    shapes = np.array(_shapes(edges))[below(rng, len(_shapes(edges)), n)]
    return _triangles(rng, edges, shapes[:, 0], shapes[:, 1], bridges=True)


@cache
def _shapes(edges: int) -> list[tuple[int, int]]:
    """Returns the possible numbers of triangles and isolated edges of a graph of label 1.

    At most a third of the edges are isolated. Fewer than ``threshold`` join triangles, so the same
    degrees allow a graph of label 0: a connected one has one cycle more than joining edges.
    """
    least = threshold(edges)
    return [
        (triangles, isolated)
        for triangles in range(least + 1, edges // 3 + 1)
        for isolated in range(edges // 3 + 1)
        if 0 <= edges - 3 * triangles - isolated < least
        and 3 * triangles + 2 * isolated <= VERTICES
    ]


def _rewired(rng: RandomState, graph: Edges) -> Edges:
    """Returns graphs of label 0 with the same degrees and the same isolated edges."""
    n, edges, _ = graph.shape
    ends = graph.reshape(n, 2 * edges)
    nodes = (ends + VERTICES * np.arange(n)[:, None]).ravel()
    degrees = np.bincount(nodes)[nodes].reshape(graph.shape)
    kept = np.repeat((degrees == 1).all(axis=2), 2, axis=1)
    result, left = graph.copy(), np.arange(n)
    while len(left):
        # The ends to match in random order, then those of the isolated edges in their own.
        keys = np.where(kept[left], 2.0, rng.random_sample((len(left), 2 * edges)))
        order = np.argsort(keys, axis=1, kind="stable")
        tried = np.take_along_axis(ends[left], order, axis=1).reshape(len(left), edges, 2)
        done = _simple(tried) & (_cycles(tried + 1) <= threshold(edges))
        result[left[done]] = tried[done]
        left = left[~done]
    return result


def published_triangles(rng: RandomState, length: int, count: int) -> Codes:
    """Draws graphs of label 1 as published: with as many vertices as edges, if possible.

    They have as many triangles as fit, then an isolated edge, then edges between triangles.
    """
    edges = length // 6

    def draw_batch(n: int) -> Codes:
        triangles, isolated = np.full(n, edges // 3), np.full(n, edges % 3 // 2)
        return encode(rng, _triangles(rng, edges, triangles, isolated, bridges=True))

    return collect(count, length, draw_batch)


def published_trees(rng: RandomState, length: int, count: int) -> Codes:
    """Draws graphs of label 0 as published: a random recursive tree and one further edge."""
    edges = length // 6
    return collect(count, length, lambda n: encode(rng, _connected(rng, edges, np.ones(n, int))))


def with_cycles_beyond(beyond: int) -> Rows:
    """Returns a sampler of graphs with exactly ``threshold + beyond`` cycles; 0 or 1 beyond.

    They are triangles and hexagons, trees that grow on them, and isolated edges. With 0 beyond, two
    more triangles are joined to a hexagon by one exchange of edges, which keeps all degrees: counts
    of vertices, degrees or isolated edges do not separate the two.
    """

    def rows(rng: RandomState, length: int, count: int) -> Codes:
        edges = length // 6
        least = threshold(edges) + 1
        most_joined = min(least - 2, edges // 3 - least)

        def draw_batch(n: int) -> Codes:
            joined = below(rng, most_joined + 1, n)
            triangles = least + joined
            room = np.minimum(edges - 3 * triangles, VERTICES - edges)
            graph = _triangles(rng, edges, triangles, below(rng, room + 1, n), bridges=False)
            pairs = joined + 1 - beyond  # no row is dropped above: what grows repeats no edge
            for pair in range(most_joined + 1):
                ends = graph[:, [6 * pair + 2, 6 * pair + 5], 1]
                turned = np.where((pair < pairs)[:, None], ends[:, ::-1], ends)
                graph[:, [6 * pair + 2, 6 * pair + 5], 1] = turned
            return encode(rng, graph)

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
    """Returns which graphs have no loop and repeat no edge."""
    codes = np.sort(graph.min(axis=2) * 100 + graph.max(axis=2), axis=1)
    loop = (graph[:, :, 0] == graph[:, :, 1]).any(axis=1)
    simple: Bools = (codes[:, 1:] != codes[:, :-1]).all(axis=1) & ~loop
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
