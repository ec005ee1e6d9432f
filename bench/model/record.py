"""One row per planned transaction or read: the only thing measurement is computed from.

Workers pack rows in this fixed layout, the master spools them to disk, measurement reads them back as one numpy array.
Times are ns since the start signal of the row's own host; -1 says the event did not happen.
"""

from __future__ import annotations

import struct

import numpy as np

NEVER = -1

ROW = np.dtype(
    [
        ("index", "<u8"),  # position in the plan, 0 … planned-1
        ("intended_ns", "<i8"),
        ("submitted_ns", "<i8"),
        ("accepted_ns", "<i8"),
        ("committed_ns", "<i8"),
        ("finalized_ns", "<i8"),
        ("block", "<i4"),  # Block.ordinal, -1: in none
        ("position", "<i4"),  # index inside that block
        ("operation", "<u2"),  # index into the workload's operation names
        ("worker", "<u2"),
        ("kind", "u1"),  # 0 write, 1 read
        ("outcome", "u1"),  # Outcome; an included write says COMMITTED/FINALIZED until its status is joined
        ("error_class", "u1"),  # ErrorClass
        ("expects_refusal", "u1"),
        ("tx_id", "V32"),
        ("drawn", "<u8"),  # position in the plan of the operation that was sent: not `index` after a dropped turn
    ]
)
ROW_STRUCT = struct.Struct("<QqqqqqiiHHBBBB32sQ")
"""The same layout for packing without numpy on the hot path."""

BLOCK = np.dtype(
    [
        ("ordinal", "<i4"),
        ("height", "<i8"),
        ("observed_ns", "<i8"),  # since the start signal
        ("transactions", "<i4"),
        ("own", "<i4"),  # how many of them this harness sent
        ("gas_used", "<i8"),
        ("size_bytes", "<i8"),
        ("orphaned", "u1"),
    ]
)

assert ROW.itemsize == ROW_STRUCT.size
