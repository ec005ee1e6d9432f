"""The EVM family: every chain that speaks Ethereum's JSON-RPC. docs/adapters/evm.md is the user's page.

Who calls what is in `bench.adapters.protocol`. This file only puts the parts together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from bench.adapters.evm import preparing
from bench.adapters.evm.abi import parse_abi
from bench.adapters.evm.blocks import BlockFollower
from bench.adapters.evm.channel import Channel, Target, parse_target
from bench.adapters.evm.encoding import NATIVE_READS, Contract, OperationEncoder
from bench.adapters.evm.fees import Fees
from bench.adapters.evm.heads import HeadWatcher
from bench.adapters.evm.options import EvmOptions, parse_options
from bench.adapters.evm.receipts import ReceiptFetcher
from bench.adapters.evm.rpc import Rpc, open_channel
from bench.adapters.evm.signing import TransactionCodec, TransactionType, Wallet
from bench.adapters.evm.state import EvmState
from bench.adapters.evm.submitting import submit
from bench.adapters.protocol import Endpoint, Fixture, Setup
from bench.model.errors import LedgerError
from bench.model.ledger import Finality, Sequencing
from bench.model.operation import Operation
from bench.model.transaction import CommitEvent, Reply, Transaction
from bench.model.workload import StateReader
