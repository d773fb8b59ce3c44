# SPDX-License-Identifier: GPL-2.0-or-later
"""
Comparing two things that took turns: the median of the rounds' ratios, and how sure it is. Whatever
else the machine does meets both sides of a round alike; the best of all rounds is luck where a
program is fast in one placement on the processors and slow in another.
"""
import math
import os
import statistics


def ends():
    """(processor of who serves, processor of who asks): the same in all rounds."""
    cpus = sorted(os.sched_getaffinity(0))
    return cpus[0], cpus[-1]


def on_cpu(cpu):
    """For subprocess's preexec_fn."""
    return lambda: os.sched_setaffinity(0, {cpu})


def rounds_of(names, count):
    """Yields (number, name), every other round the other way round."""
    names = list(names)
    for number in range(count):
        for name in names if number % 2 == 0 else reversed(names):
            yield number, name


def ratio(samples, others):
    """
    (median, low, high) of samples[i] / others[i]: the median of all rounds is between low and high
    with 95 of 100 in hand (order statistics; of fewer than 6 rounds: the extremes).
    """
    each = sorted(a / b for a, b in zip(samples, others))
    n, below, skip = len(each), 0.0, 0
    while skip < n // 2:
        below += math.comb(n, skip) / 2 ** n
        if below > 0.025:
            break
        skip += 1
    skip = max(0, skip - 1)
    return statistics.median(each), each[skip], each[n - 1 - skip]


def words(found):
    return f"{found[0]:.2f} ({found[1]:.2f}-{found[2]:.2f})"
