"""A workload's contract: read the artefact, deploy it, load its state, estimate gas per operation. Setup only.

`evm/contract.json` is the compiler's output (abi, bytecode); `evm/setup.json` says what to do with it:

    constructor  arguments by name, snake_case
    calls        [{function, arguments, repeat: {total, step}}]: setup transactions, in order. A value "$name" is the
                 workload's parameter of that name; with `repeat`, $first and $count walk over total in steps
    gas          {operation: {sample: arguments, fresh_slots: n}}: what to estimate gas with, and how many storage slots
                 may turn from zero to non-zero in the worst case although they do not in the sample
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bench.adapters.evm.abi import Function, parse_abi
from bench.adapters.evm.encoding import Contract
from bench.adapters.evm.funding import Shape, Treasury
from bench.adapters.evm.rpc import Rpc
from bench.adapters.protocol import JsonValue
from bench.model.errors import ConfigurationError, LedgerError
from bench.model.workload import Parameter

FRESH_SLOT_GAS = 20_000
"""SSTORE from zero to non-zero costs 20,000, from non-zero 2,900 (EIP-2200/2929), plus the cold access both pay."""

TRANSFER_GAS = 21_000
_SETUP_GAS_MARGIN = 1.2

Value = int | str | bool


class Repeat(BaseModel):
    """Calls over a range of ids."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    total: int | str
    step: int = Field(gt=0)


class Call(BaseModel):
    """One setup call, or a series of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    function: str
    arguments: dict[str, Value] = {}
    repeat: Repeat | None = None


class GasSample(BaseModel):
    """What to estimate an operation's gas with."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    sample: dict[str, Value]
    fresh_slots: int = Field(default=0, ge=0)


class SetupPlan(BaseModel):
    """`evm/setup.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    constructor: dict[str, Value] = {}
    calls: tuple[Call, ...] = ()
    gas: dict[str, GasSample] = {}


@dataclass(frozen=True, slots=True)
class Artefact:
    """What a workload's `evm/` directory holds."""

    abi: Sequence[JsonValue]
    bytecode: bytes
    plan: SetupPlan
    functions: Mapping[str, Function]


def read_artefact(directory: Path) -> Artefact | None:
    """None when the workload has no contract."""
    path = directory / "contract.json"
    if not path.exists():
        return None
    try:
        content = orjson.loads(path.read_bytes())
        plan_path = directory / "setup.json"
        plan = SetupPlan.model_validate_json(plan_path.read_bytes()) if plan_path.exists() else SetupPlan()
        code = bytes.fromhex(str(content["bytecode"]).removeprefix("0x"))
        return Artefact(content["abi"], code, plan, parse_abi(content["abi"]))
    except (KeyError, ValueError, ValidationError) as error:
        raise ConfigurationError(
            f"{directory.name}/contract.json or setup.json cannot be read: {error}",
            value=str(directory),
            remedy="rebuild it with make contracts",
        ) from error


def deploy(rpc: Rpc, treasury: Treasury, artefact: Artefact, parameters: Mapping[str, Parameter]) -> Contract:
    """A new instance with its initial state; every setup transaction's receipt says success."""
    code = artefact.bytecode + _constructor_arguments(artefact, parameters)
    gas = _estimate(rpc, {"from": treasury.address, "data": "0x" + code.hex()}, "deployment")
    creation = treasury.send_all([Shape(b"", gas, data=code)])[0]
    receipt = rpc.call("eth_getTransactionReceipt", ["0x" + creation.hex()])
    address = receipt.get("contractAddress") if isinstance(receipt, dict) else None
    if not isinstance(receipt, dict) or receipt.get("status") != "0x1" or not isinstance(address, str):
        raise LedgerError("the contract could not be deployed", value=receipt, remedy="see the node's log")
    contract = Contract(bytes.fromhex(address[2:]), artefact.functions)
    for call in artefact.plan.calls:
        _run_calls(rpc, treasury, contract, call, parameters)
    return contract


def gas_limits(rpc: Rpc, sender: str, artefact: Artefact, contract: Contract, margin: float) -> dict[str, int]:
    """One limit per state-changing operation of the setup plan."""
    limits = {}
    for name, item in artefact.plan.gas.items():
        data = _function(artefact.functions, name).encode(item.sample, _no_accounts)
        request: dict[str, JsonValue] = {"from": sender, "to": _hex(contract.address), "data": _hex(data)}
        estimate = _estimate(rpc, request, name, margin=1.0)
        limits[name] = round(estimate * margin) + item.fresh_slots * FRESH_SLOT_GAS
    return limits


def transfer_gas(rpc: Rpc, sender: str, recipient: str, margin: float) -> int:
    """21,000 where a transfer costs what Ethereum charges, else the estimate with margin."""
    estimate = rpc.hex_int("eth_estimateGas", [{"from": sender, "to": recipient, "value": "0x0"}])
    return estimate if estimate == TRANSFER_GAS else round(estimate * margin)


def _run_calls(
    rpc: Rpc, treasury: Treasury, contract: Contract, call: Call, parameters: Mapping[str, Parameter]
) -> None:
    function = _function(contract.functions, call.function)
    datas = [function.encode(arguments, _no_accounts) for arguments in _expand(call, parameters)]
    if not datas:
        return
    first: dict[str, JsonValue] = {"from": treasury.address, "to": _hex(contract.address), "data": _hex(datas[0])}
    gas = _estimate(rpc, first, call.function)
    ids = treasury.send_all([Shape(contract.address, gas, data=data) for data in datas])
    receipts = rpc.batch("eth_getTransactionReceipt", [[_hex(tx_id)] for tx_id in ids])
    for receipt in receipts:
        if not isinstance(receipt, dict) or receipt.get("status") != "0x1":
            raise LedgerError(
                f"the setup call {call.function} failed", value=receipt, remedy="check the workload's parameters"
            )


def _expand(call: Call, parameters: Mapping[str, Parameter]) -> Iterator[dict[str, Value]]:
    if call.repeat is None:
        yield _resolved(call.arguments, parameters)
        return
    total = _resolve(call.repeat.total, parameters)
    if not isinstance(total, int):
        raise ConfigurationError("setup.json repeats over something that is no number", value=total, remedy="fix total")
    for first in range(0, total, call.repeat.step):
        count = min(call.repeat.step, total - first)
        yield _resolved(call.arguments, {**parameters, "first": first, "count": count})


def _resolved(arguments: Mapping[str, Value], parameters: Mapping[str, Parameter]) -> dict[str, Value]:
    return {name: _resolve(value, parameters) for name, value in arguments.items()}


def _resolve(value: Value, parameters: Mapping[str, Parameter]) -> Value:
    if not isinstance(value, str) or not value.startswith("$"):
        return value
    found = parameters.get(value[1:])
    if found is None or isinstance(found, float):
        raise ConfigurationError(
            "the contract's setup needs a parameter that the workload does not have",
            value=value[1:],
            remedy=f"known: {', '.join(sorted(parameters))}",
        )
    return found


def _constructor_arguments(artefact: Artefact, parameters: Mapping[str, Parameter]) -> bytes:
    if not artefact.plan.constructor:
        return b""
    for entry in artefact.abi:
        if isinstance(entry, dict) and entry.get("type") == "constructor":
            function = next(iter(parse_abi([{**entry, "type": "function", "name": "constructor"}]).values()))
            return function.encode(_resolved(artefact.plan.constructor, parameters), _no_accounts)[4:]
    raise ConfigurationError(
        "setup.json gives constructor arguments, but the contract takes none", remedy="remove them"
    )


def _function(functions: Mapping[str, Function], name: str) -> Function:
    if name not in functions:
        raise ConfigurationError(
            "setup.json names a function that the contract does not have",
            value=name,
            remedy=f"known: {', '.join(sorted(functions))}",
        )
    return functions[name]


def _estimate(rpc: Rpc, request: dict[str, JsonValue], purpose: str, margin: float = _SETUP_GAS_MARGIN) -> int:
    try:
        return round(rpc.hex_int("eth_estimateGas", [request]) * margin)
    except LedgerError as error:
        raise LedgerError(f"gas of {purpose} cannot be estimated", value=error.value, remedy=error.remedy) from error


def _no_accounts(index: int) -> bytes:
    raise ConfigurationError("setup.json cannot name accounts", value=index, remedy="use plain values")


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
