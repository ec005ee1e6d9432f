"""The words and the error classes of a report, for a reader who has never opened a terminal, in order of first use."""

from __future__ import annotations

from bench.model.transaction import ErrorClass

TERMS: tuple[tuple[str, str], ...] = (
    ("Ledger", "The system under test: the shared book, and the computers (nodes) that keep it."),
    ("Workload", "The kind of business that was simulated, for instance payments between accounts."),
    ("Transaction", "One request that changes the book, such as one payment. Reads only look something up."),
    (
        "Offered load",
        "How many transactions per second were due, by a timetable fixed before the run. The timetable never "
        "waits for the ledger, as real customers would not.",
    ),
    (
        "Goodput",
        "How many of our own transactions per second became valid and final. Refused, failed and unfinished ones "
        "do not count.",
    ),
    (
        "Finality",
        "The moment from which a transaction cannot be taken back, by the ledger's own rule (named in “The ledger”).",
    ),
    ("Finality latency", "The time from the moment a transaction was due until it was final."),
    ("Commit latency", "The time from the moment a transaction was due until it was seen, valid, in a block."),
    ("Accept latency", "The time from the moment a transaction was due until the ledger said “received”."),
    (
        "Submit lag",
        "How late our own load generator was in sending, compared with the timetable. If this is large, the "
        "generator was the limit, not the ledger.",
    ),
    (
        "Percentile (p50, p99, p99.9)",
        "p99 = 1.2 s means that 99 of 100 transactions took 1.2 s or less. p50 is the middle one. "
        "“≥ 1.2 s” means that too many transactions never finished to know more. A dash is printed where there were "
        "too few samples (n): p99 wants 1,000, p99.9 wants 10,000.",
    ),
    (
        "Due time, time of sending",
        "A transaction is due when the timetable says so, and sent when our generator gets round to it. Counting only "
        "from the sending hides every delay of the generator itself (known as coordinated omission).",
    ),
    (
        "Trial",
        "One repetition of the whole run, normally on a fresh, empty ledger. Trials, not single transactions, are "
        "what an interval is computed from.",
    ),
    (
        "Interval",
        "The range in which the true middle value lies with the stated confidence. It is printed only from 5 "
        "trials on; below that chance alone can make two systems look different.",
    ),
    (
        "Warm-up, measure, drain",
        "The first part of a trial is not measured, because systems start slowly. Then comes the "
        "measured part. In the drain no new load is offered and open transactions get time to finish.",
    ),
    (
        "Warm-up check (MSER-5)",
        "A rule that finds from which block on the goodput is best described by one mean. It may lengthen the declared "
        "warm-up and never shortens it.",
    ),
    ("Under way (in flight)", "Sent, and not yet final, failed or refused."),
    (
        "Balance (drift)",
        "Whether the number of transactions under way stayed level while load was offered. If it grew, the ledger took "
        "in more than it finished, and a longer run would have shown longer waiting times.",
    ),
    (
        "Dropped",
        "Due by the timetable, but never sent, for the stated reason. A ledger that falls behind causes drops, "
        "because the number under way is bounded.",
    ),
    ("Rejected", "Sent, and refused by the ledger at once."),
    (
        "Failed",
        "Written to the book, but as invalid. An expected refusal is one that the business rules ask for, such as a "
        "payment from an empty account; it is counted apart.",
    ),
    ("Unresolved", "Accepted or unanswered, and neither seen as final nor as failed before the drain ended."),
    (
        "Valid, invalid",
        "Valid: the measurement itself can be trusted. Invalid: something in the measurement broke a rule, "
        "so the figures must not be used. It does not say whether the ledger is good.",
    ),
    (
        "Harness, load generator",
        "Our own programs, which send the load and take the times. They must not be the bottleneck.",
    ),
    (
        "Calibration, ceiling, headroom",
        "How much the load generator can send on this machine when no ledger slows it down. A run may use up to half "
        "of that ceiling. Where the search for the ceiling ended early, it is known only to be “at least” so much.",
    ),
    (
        "Harness-bound",
        "The load generator and not the ledger was at its limit, so the figures say nothing about the ledger.",
    ),
    (
        "Highest sustainable load (capacity)",
        "The load that the ledger keeps up with for good: at least 99 % of it comes through, waiting lines do not "
        "grow, and the demanded waiting time holds. It is found by trials and stated as an interval: the lower end was "
        "carried, the upper end was not.",
    ),
    (
        "Probe, trial of full length",
        "A probe is a short trial that shows the search where to look next. Only trials of full length (at least a "
        "minute and 20 blocks) confirm a result. An estimate is a result from shortened ones.",
    ),
    (
        "Demand (service level, SLO)",
        "The waiting time that was asked for, for instance 99 of 100 transactions final within 5 s.",
    ),
    (
        "Fitted curve, R²",
        "A formula drawn through the points (the Universal Scalability Law). R² says how well it fits: 1 is perfect, 0 "
        "is no better than a level line. Outside the measured loads it says nothing.",
    ),
    (
        "Processor time",
        "How long one processor core had to work. 2 ms per transaction: one core can do at most 500 per second.",
    ),
    (
        "Gas",
        "The unit in which some ledgers measure, and charge for, the computation of a transaction.",
    ),
    (
        "Class of a ledger",
        "What a ledger protects against and how: faults it survives, how it stores data, who operates "
        "it. A faster ledger of a weaker class is not a better ledger.",
    ),
    ("Invariant", "A statement that must hold in the book after the run, such as “no money was created”."),
    ("Bundle", "The folder with everything one run recorded. This page was made from it alone and can be made again."),
)

_MEANINGS = {
    ErrorClass.IN_FLIGHT_BOUND: "not sent, because too many were already under way: the ledger fell behind",
    ErrorClass.BUFFER_EMPTY: "not sent, because our generator had none ready: the harness was too slow",
    ErrorClass.ACCOUNT_UNAVAILABLE: "not sent, because no sending account was free: the harness had too few",
    ErrorClass.INTERRUPTED: "not sent, because the run was stopped",
    ErrorClass.UNREACHABLE: "the node could not be reached",
    ErrorClass.INVALID_TRANSACTION: "the node called the transaction malformed",
    ErrorClass.SEQUENCE_TOO_LOW: "the sender's number was already used",
    ErrorClass.SEQUENCE_GAP: "a number of the same sender before it was missing",
    ErrorClass.UNDERPRICED: "the offered fee was too low",
    ErrorClass.POOL_FULL: "the node's waiting room was full",
    ErrorClass.INSUFFICIENT_FUNDS: "the sender could not pay",
    ErrorClass.RATE_LIMITED: "the node limits how often it may be asked",
    ErrorClass.UNAUTHORIZED: "the node asked for credentials",
    ErrorClass.NODE_ERROR: "the node, or what stands before it, said no for a reason without a class here",
    ErrorClass.METHOD_MISSING: "the node does not know this kind of request",
    ErrorClass.REVERTED: "the contract undid it",
    ErrorClass.OUT_OF_GAS: "it needed more computation than it was allowed",
    ErrorClass.CONFLICT: "another transaction changed the same data first",
    ErrorClass.BUSINESS_REFUSAL: "the business rules said no, as they should",
    ErrorClass.INVALID_IN_BLOCK: "written to a block, but marked invalid",
    ErrorClass.NOT_INCLUDED: "accepted, but in no block before the run ended",
    ErrorClass.NO_ANSWER: "no answer came, and it was never seen again",
    ErrorClass.STATUS_UNKNOWN: "in a block, but whether it was valid could not be read",
    ErrorClass.ORPHANED: "in a block that the ledger later discarded",
    ErrorClass.READ_REFUSED: "a look-up was refused",
    ErrorClass.READ_TIMEOUT: "a look-up was not answered in time",
}
ERRORS = {error.label: meaning for error, meaning in _MEANINGS.items()}
"""What each error class means, by its label."""
