"""What threads must not change: order, results, errors, and that nothing goes on after the end."""

import threading

import pytest

from unclouded.clearing.background import BackgroundWriter, prefetch


def test_items_come_in_order_and_from_another_thread():
    makers = set()

    def items():
        for item in range(20):
            makers.add(threading.get_ident())
            yield item

    assert list(prefetch(items())) == list(range(20))
    assert threading.get_ident() not in makers


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield 1
        yield 2
        raise OSError("disk gone")

    seen = []
    with pytest.raises(OSError, match="disk gone"):
        for item in prefetch(items()):
            seen.append(item)
    assert seen == [1, 2]


def test_closing_stops_the_making():
    made = []

    def items():
        for item in range(1000):
            made.append(item)
            yield item

    iterator = prefetch(items())
    assert next(iterator) == 0
    iterator.close()
    count = len(made)
    assert count < 10
    assert threading.active_count() == 1 or not any(t.name.startswith("ahead") for t in threading.enumerate())


def test_work_is_done_in_order_before_leaving():
    done = []
    with BackgroundWriter() as writer:
        for item in range(50):
            writer(done.append, item)
    assert done == list(range(50))


def test_an_error_in_the_work_comes_out():
    def fail():
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), BackgroundWriter() as writer:
        writer(fail)


def held(started, go_on):
    started.set()
    go_on.wait(10)


def test_work_that_waits_is_done_when_the_context_ends_in_an_error():
    started, go_on, done = threading.Event(), threading.Event(), []
    with pytest.raises(ValueError, match="network"), BackgroundWriter() as writer:
        writer(held, started, go_on)
        started.wait(10)
        writer(done.append, 1)
        threading.Timer(0.2, go_on.set).start()
        raise ValueError("network")
    assert done == [1]


def test_nothing_is_done_after_work_that_failed():
    started, go_on, done = threading.Event(), threading.Event(), []

    def fail():
        held(started, go_on)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), BackgroundWriter() as writer:
        writer(fail)
        started.wait(10)
        writer(done.append, 1)
        go_on.set()
    assert done == []
