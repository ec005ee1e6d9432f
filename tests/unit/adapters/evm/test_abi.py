import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from bench.adapters.evm.abi import parse_abi, snake_case
from bench.model.errors import ConfigurationError, LedgerError
from bench.model.keccak import keccak256
from bench.model.operation import Account

ADDRESS = bytes(range(20))


def function(*types: str, name="doIt", outputs=(), mutability="nonpayable"):
    inputs = [{"name": f"argNumber{index}", "type": kind} for index, kind in enumerate(types)]
    returns = [{"name": "", "type": kind} for kind in outputs]
    entry = {"type": "function", "name": name, "inputs": inputs, "outputs": returns, "stateMutability": mutability}
    return parse_abi([entry])[snake_case(name)]


def call(fn, *values):
    return fn.encode({f"arg_number{index}": value for index, value in enumerate(values)}, lambda _: ADDRESS)


@given(st.integers(0, 2**256 - 1), st.integers(-(2**255), 2**255 - 1), st.booleans(), st.binary(max_size=32))
def test_static_words_equal_eth_abi(unsigned, signed, flag, raw):
    types = ("uint256", "int256", "bool", "bytes32", "address")
    expected = encode(types, [unsigned, signed, flag, raw, ADDRESS])
    assert call(function(*types), unsigned, signed, flag, raw, ADDRESS)[4:] == expected


@given(st.text(max_size=80), st.binary(max_size=80), st.integers(-128, 127))
def test_dynamic_arguments_equal_eth_abi(text, raw, small):
    types = ("string", "bytes", "int8")
    assert call(function(*types), text, raw, small)[4:] == encode(types, [text, raw, small])


def test_the_selector_is_of_the_canonical_signature():
    pay = function("uint256", "address", name="sendPayment")
    assert pay.selector == keccak256(b"sendPayment(uint256,address)")[:4]
    assert pay.names == ("arg_number0", "arg_number1")


def test_tuples_are_spelt_out():
    components = [{"type": "uint8", "name": "a"}, {"type": "string", "name": "b"}]
    inputs = [{"name": "item", "type": "tuple[]", "components": components}]
    entry = {"type": "function", "name": "put", "inputs": inputs}
    assert parse_abi([entry])["put"].selector == keccak256(b"put((uint8,string)[])")[:4]


def test_an_account_becomes_its_address():
    assert call(function("address"), Account(3))[4:] == ADDRESS.rjust(32, b"\0")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint8", 256),
        ("uint8", -1),
        ("int8", 128),
        ("int8", -129),
        ("uint256", 2**256),
        ("uint256", True),
        ("uint256", "1"),
        ("bool", 1),
        ("bytes4", b"12345"),
        ("address", b"short"),
    ],
)
def test_values_outside_the_type_are_refused_by_name(kind, value):
    with pytest.raises(ConfigurationError, match=rf"do_it takes \(arg_number0: {kind}\)"):
        call(function(kind), value)


def test_missing_and_surplus_arguments_are_refused():
    fn = function("uint256")
    with pytest.raises(ConfigurationError, match="do_it takes"):
        fn.encode({}, lambda _: ADDRESS)
    with pytest.raises(ConfigurationError, match="do_it takes"):
        fn.encode({"arg_number0": 1, "more": 2}, lambda _: ADDRESS)


def test_one_name_twice_is_refused():
    entry = {"type": "function", "name": "f", "inputs": []}
    with pytest.raises(ConfigurationError, match="two functions of one name"):
        parse_abi([entry, {**entry, "inputs": [{"name": "a", "type": "bool"}]}])


def test_return_data():
    assert function(outputs=("int256",)).decode(encode(["int256"], [-5])) == -5
    assert function(outputs=("bool", "uint8")).decode(encode(["bool", "uint8"], [True, 9])) == (True, 9)
    with pytest.raises(LedgerError, match="answered with data that is not"):
        function(outputs=("int256",)).decode(b"")


@pytest.mark.parametrize(
    ("camel", "snake"),
    [("depositChecking", "deposit_checking"), ("open", "open"), ("_firstId", "first_id"), ("totalOf", "total_of")],
)
def test_names(camel, snake):
    assert snake_case(camel) == snake
