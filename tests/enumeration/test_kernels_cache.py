"""The compiled search works where nothing can be written."""

import numba

from llm_erm.enumeration import kernels


def test_without_a_place_for_a_cache_it_is_compiled_anew(monkeypatch):
    asked = []

    def njit(**options):
        asked.append(options)
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(numba, "njit", njit)
    assert kernels.kernel(len) is len
    assert asked == [{"cache": True, "nogil": True}, {"nogil": True}]
