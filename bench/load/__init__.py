"""The load path: Locust master and workers, the encoder that signs ahead, the pacer, the observer of blocks.

The only room that knows Locust and gevent. Processes and their modules:

    master    bench.load.master     Locust's master; spools rows, talks to the coordinator in JSON lines
    worker    bench.load.worker     Locust's worker; `engine` paces, `lanes` submit, `recorder` keeps the rows
    encoder   bench.load.encoder    one per worker; draws operations from the seed and signs ahead of time
    observer  bench.load.observer   one per host; follows blocks and stamps them
"""
