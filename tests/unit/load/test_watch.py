from bench.load.watch import PAUSE, BlockLog


def test_pauses_of_the_observer_are_shipped_even_when_no_block_came():
    log = BlockLog()
    assert log.take() == {}
    log.paused(-5, 1_500)
    log.paused(2_000, 3_000)
    taken = log.take()
    assert list(PAUSE.iter_unpack(taken["pauses"])) == [(-5, 1_500), (2_000, 3_000)]
    assert taken["blocks"] == taken["statuses"] == b""
    assert log.take() == {}
