"""Seconds of exchanges from what each rank saw of each call, by numbers that are made up."""

import pytest
import torch

from moecalc.profile.distributed.watch import Took, Watch, least_seconds


def made(*seconds):
    names = ("all-reduce", "all-gather", "all-reduce")
    return [Took(name, each) for name, each in zip(names, seconds, strict=True)]


def test_of_each_call_the_rank_that_waited_least_counts():
    early, late = [made(5.0, 1.0, 2.0)], [made(1.0, 3.0, 4.0)]
    assert least_seconds([early, late]) == {"all-reduce": 1.0 + 2.0, "all-gather": 1.0}


def test_of_passes_the_median():
    passes = [made(1.0, 1.0, 1.0), made(9.0, 9.0, 9.0), made(2.0, 3.0, 2.0)]
    assert least_seconds([passes]) == {"all-reduce": 4.0, "all-gather": 3.0}


def test_ranks_that_exchange_something_else_are_an_error():
    with pytest.raises(ValueError, match="too many values"):
        least_seconds([[[Took("all-reduce", 1.0)]], [[Took("all-gather", 1.0)]]])


def test_calls_are_made_once_and_in_order():
    watch, order = Watch(torch.device("cpu")), []
    watch.around("a", lambda: order.append(1))
    watch.around("b", lambda: order.append(2))
    assert order == [1, 2]
    assert [took.name for took in watch.finished()] == ["a", "b"]
    assert all(took.seconds >= 0 for took in watch.finished())
