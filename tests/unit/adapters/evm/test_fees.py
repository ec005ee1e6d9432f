import pytest

from bench.adapters.evm.fees import GWEI, Fees, choose_fees
from bench.adapters.evm.options import FeeOptions
from bench.model.errors import ConfigurationError
from tests.support.fake_node import FakeNode


def chain(base: int | None, *, price: int = 3 * GWEI, tip: int | None = 2 * GWEI):
    block = {"number": "0x1"} | ({} if base is None else {"baseFeePerGas": hex(base)})
    methods = {"eth_getBlockByNumber": lambda *_: block, "eth_gasPrice": lambda: hex(price)}
    if tip is not None:
        methods["eth_maxPriorityFeePerGas"] = lambda: hex(tip)
    return FakeNode(methods).rpc


@pytest.mark.parametrize(
    ("options", "kind", "base", "expected"),
    [
        ({}, "auto", 10 * GWEI, Fees(82 * GWEI, 2 * GWEI, 10 * GWEI, True)),
        ({"headroom": 2}, "1559", 10 * GWEI, Fees(22 * GWEI, 2 * GWEI, 10 * GWEI, True)),
        ({}, "auto", 7, Fees(3 * GWEI, 2 * GWEI, 7, True)),
        ({}, "auto", 0, Fees(2 * GWEI, 2 * GWEI, 0, True)),
        ({"max_fee_gwei": 30}, "auto", 10 * GWEI, Fees(30 * GWEI, 2 * GWEI, 10 * GWEI, True)),
        ({"max_fee_gwei": 1}, "auto", 10 * GWEI, Fees(GWEI, GWEI, 10 * GWEI, True)),
        ({"priority_fee_gwei": 0}, "auto", 10 * GWEI, Fees(80 * GWEI, 0, 10 * GWEI, True)),
        ({}, "legacy", 10 * GWEI, Fees(80 * GWEI, 80 * GWEI, 10 * GWEI, False)),
        ({}, "2930", 10 * GWEI, Fees(80 * GWEI, 80 * GWEI, 10 * GWEI, False)),
        ({"policy": "legacy"}, "auto", 10 * GWEI, Fees(80 * GWEI, 80 * GWEI, 10 * GWEI, False)),
        ({}, "auto", None, Fees(3 * GWEI, 3 * GWEI, 0, False)),
        ({}, "legacy", None, Fees(3 * GWEI, 3 * GWEI, 0, False)),
        ({"policy": "fixed", "max_fee_gwei": 5}, "auto", GWEI, Fees(5 * GWEI, 5 * GWEI, GWEI, True)),
        (
            {"policy": "fixed", "max_fee_gwei": 5, "priority_fee_gwei": 1},
            "auto",
            GWEI,
            Fees(5 * GWEI, GWEI, GWEI, True),
        ),
        ({"policy": "fixed", "max_fee_gwei": 0}, "legacy", None, Fees(0, 0, 0, False)),
    ],
)
def test_policies(options, kind, base, expected):
    assert choose_fees(chain(base), FeeOptions(**options), kind) == expected


def test_a_node_that_suggests_no_tip_is_tipped_one_gwei():
    assert choose_fees(chain(GWEI, tip=None), FeeOptions(), "auto") == Fees(9 * GWEI, GWEI, GWEI, True)


def test_a_chain_without_base_fee_takes_no_dynamic_fee():
    with pytest.raises(ConfigurationError, match="no base fee"):
        choose_fees(chain(None), FeeOptions(), "1559")
