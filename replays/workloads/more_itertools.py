"""more_itertools: functions, generators, and some classes that are iterators."""

from __future__ import annotations

import more_itertools as m

from replays.workloads import each

FUNCTIONS = """
list(m.chunked([1, 2, 3, 4, 5], 2))
list(m.chunked([1, 2, 3], 2, strict=True))
m.first([], 7), m.last([1, 2]), m.nth_or_last([1, 2], 9)
m.first([])
list(m.collate([1, 4], [2, 3]))
list(m.distinct_permutations([1, 0, 1]))
list(m.distinct_permutations([1, 0, 1], 2))
list(m.intersperse("!", [1, 2, 3], 2))
list(m.unique_to_each([1, 2], [2, 3]))
list(m.windowed([1, 2, 3, 4], 3, step=2, fillvalue="?"))
list(m.substrings("abc")), list(m.substrings_indexes("abc", reverse=True))
m.bucket(["a1", "b1", "a2"], key=lambda x: x[0])["a"]
list(m.spy([1, 2, 3], 2)[1])
list(m.interleave_evenly([[1, 2, 3], ["a"]])), list(m.interleave_longest([1], [2, 3]))
list(m.collapse([1, [2, [3, "ab"]]], base_type=str))
list(m.sliced("abcdef", 4)), list(m.split_at("abcdc", lambda x: x == "c", keep_separator=True))
list(m.split_before("OneTwo", str.isupper)), list(m.split_after("oneTwo", str.isupper))
list(m.split_when([1, 2, 4, 5, 9], lambda x, y: y != x + 1)), list(m.split_into([1, 2, 3], [1, None]))
list(m.padded([1, 2], "?", 5)), next(m.repeat_last([], 3))
[list(it) for it in m.distribute(2, [1, 2, 3])], list(m.stagger([0, 1, 2], longest=True))
list(m.zip_equal([1], [2, 3]))
list(m.zip_offset([0, 1, 2], "abc", offsets=(0, 1)))
m.sort_together([(3, 1, 2), "abc"]), m.unzip([(1, 2), (3, 4)])
m.divide(2, [1, 2, 3]), list(m.always_iterable("ab", base_type=None))
list(m.adjacent(lambda x: x == 3, range(6), distance=1)), list(m.groupby_transform("aAb", str.lower, None))
[(k, list(g)) for k, g in m.groupby_transform("aAb", str.lower)]
list(m.numeric_range(1, 9, 3)), m.numeric_range(3.5, 7)[1], repr(m.numeric_range(1, 4, 2))
list(m.count_cycle("ab", 2)), list(m.mark_ends("abc")), list(m.locate([0, 1, 1]))
list(m.lstrip([0, 1, 0], lambda x: not x)), list(m.strip([0, 1, 0], lambda x: not x))
list(m.islice_extended(range(10), 2, -2, 3)), list(m.islice_extended(range(10))[-4:-1])
list(m.difference([0, 1, 3, 6])), m.consecutive_groups([1, 2, 5]), m.exactly_n([1, 1, 0], 2)
m.SequenceView("abc"), m.SequenceView("abc")[1:], m.map_reduce("abcA", str.lower, ord, sum)
list(m.locate("abcabc", lambda *x: x == ("b", "c"), window_size=2)), list(m.replace([1, 1, 2], lambda x: x == 1, [9]))
list(m.partitions("abc"))[:3], list(m.set_partitions("abc", 2)), list(m.set_partitions("abc", min_size=2))
list(m.filter_except(int, ["1", "x", "2"], ValueError)), list(m.map_except(int, ["1", "x"], ValueError))
m.map_if, list(m.map_if([1, 5], lambda x: x > 3, str)), m.product_index(["a", "d"], "ab", "cd")
m.permutation_index("bac", "abc"), m.combination_index("bc", "abc"), m.nth_product(3, "ab", "cd")
m.combination_with_replacement_index("bb", "abc"), m.nth_permutation("abc", 3, 4)
m.value_chain, list(m.value_chain("ab", [1, [2]])), m.only([], default=3)
m.only([1, 2])
m.one([])
m.strictly_n([1, 2], 3)
list(m.strictly_n([1, 2], 2)), m.all_unique([1, 2, 1]), m.minmax([3, 1, 2]), m.minmax([], default=5)
m.longest_common_prefix(["abc", "abd"]), m.iequals([1, 2], (1, 2)), list(m.gray_product("ab", "cd"))
m.ilen([1, 2]), list(m.constrained_batches(["a", "bb", "ccc"], 3)), list(m.partial_product("ab", "cd"))
list(m.takewhile_inclusive(lambda x: x < 3, range(9))), list(m.outer_product(max, [1, 2], [0, 3]))
m.is_sorted([1, 2, 2], strict=True), list(m.classify_unique("abac")), m.doublestarmap
list(m.iter_suppress(iter([1]), ValueError)), m.join_mappings(a={1: 2}, b={1: 3}), list(m.filter_map(lambda x: x or None, [0, 1]))
m.argmin([3, 1, 2]), m.argmax([3, 1, 2]), list(m.interleave_randomly([1, 2])), list(m.synchronized([1]))
list(m.seekable(range(5))), m.run_length.encode("aab"), list(m.run_length.encode("aab")), list(m.run_length.decode([("a", 2)]))
m.countable(range(3)), m.callback_iter, list(m.time_limited(1000, [1, 2])), m.peekable([1, 2]).peek()
m.peekable([1, 2, 3])[1:], bool(m.peekable([])), list(m.circular_shifts([1, 2, 3]))
m.ichunked, [list(it) for it in m.ichunked(range(5), 2)]
list(m.rlocate([0, 1, 1])), list(m.sample("abc", 0)), m.duplicates_everseen, list(m.duplicates_everseen("abab")), list(m.duplicates_justseen("aab"))
list(m.longest_common_prefix("")), m.AbortThread, m.UnequalIterablesError.__mro__, list(m.zip_broadcast(1, [2, 3]))
list(m.zip_broadcast([1], [2, 3], strict=True))
"""

RECIPES = """
m.take(3, range(9)), next(m.tabulate(lambda x: x * x, 2)), m.tail(2, range(5)), m.consume([1])
m.all_equal([1, 1]), m.all_equal("aA", key=str.lower), m.quantify([1, 0, 1]), m.dotproduct([1, 2], [3, 4])
list(m.flatten([[1], [2]])), list(m.repeatfunc(int, 2)), list(m.pairwise([1, 2, 3])), list(m.grouper("abc", 2, fillvalue="?"))
list(m.grouper("abc", 2, incomplete="strict"))
list(m.grouper("abc", 2, incomplete="odd"))
list(m.roundrobin("ab", "c")), [list(it) for it in m.partition(lambda x: x > 1, [1, 2, 3])]
list(m.powerset([1, 2])), list(m.unique_everseen("abA", key=str.lower)), list(m.unique_justseen("aab"))
list(m.unique([2, 1, 2])), list(m.unique([1, [2], [2]])), list(m.iter_except([1].pop, IndexError)), m.first_true([0, 2])
m.nth_combination("abc", 2, 1), list(m.prepend(0, [1])), list(m.convolve([1, 2], [3, 4])), m.before_and_after(bool, [1, 0])
list(m.triplewise([1, 2, 3, 4])), list(m.sliding_window([1, 2, 3], 2)), list(m.subslices("abc")), list(m.iter_index("aba", "a"))
list(m.sieve(30)), list(m.batched("abc", 2)), list(m.batched("abc", 2, strict=True))
list(m.factor(60)), list(m.factor(2**31 - 1)), m.polynomial_from_roots([1, 2]), m.polynomial_eval([1, 2], 3), m.polynomial_derivative([1, 2, 3])
m.sum_of_squares([1, 2]), list(m.reshape([[1, 2], [3, 4]], 1)), list(m.reshape([1, 2, 3, 4], (2, 2))), list(m.transpose([[1, 2]])), list(m.matmul([[1]], [[2]]))
m.totient(12), m.is_prime(97), m.nth_prime(5), m.reshape, m.dft([1, 2]), list(m.loops(2)), m.multinomial(1, 2), m.powerset_of_sets([1, 2])
m.running_median, list(m.running_median([3, 1, 2])), list(m.random_derangement([1, 2])) and 1
m.running_min([3, 1, 2]), m.running_max, m.running_statistics, m.derangements, list(m.derangements("abc"))
m.ncycles("ab", 2), m.nth([1, 2], 5, 0), m.random_product([1]), m.random_permutation([1]), m.random_combination([1], 1)
"""


def show_functions() -> list[str]:
    return each(FUNCTIONS, {"m": m})


def show_recipes() -> list[str]:
    return each(RECIPES, {"m": m})


def show_names() -> list[str]:
    return [f"{name} {getattr(m, name).__module__}" for name in sorted(m.__all__)]
