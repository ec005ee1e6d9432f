"""Every promise of `bench.adapters.protocol`, as tests. An adapter that passes can be measured.

Subclass it in a test module, under a name that pytest collects, give it a running ledger, and say what to send:

    class TestMyAdapter(AdapterContract):
        refused = Operation("transfer", {"to": Account(1), "amount": 10**30})  # if the ledger can refuse

        @pytest.fixture
        def endpoint(self) -> Endpoint: ...          # of a running ledger, fresh or not
        @pytest.fixture
        def dead_endpoint(self) -> Endpoint: ...     # where nobody listens
        @pytest.fixture
        def adapter_factory(self) -> Callable[[], Adapter]: ...
        @pytest.fixture
        def workload(self) -> Workload: ...
        def write(self, number: int) -> Operation: ...  # a valid write, whoever sends it

Nothing is skipped: a power the adapter does not have is checked to be not claimed.
"""

from __future__ import annotations

from bench.testing.commits_promises import CommitsPromises
from bench.testing.preparing_promises import PreparingPromises
from bench.testing.submitting_promises import SubmittingPromises


class AdapterContract(PreparingPromises, SubmittingPromises, CommitsPromises):
    """See the module docstring for what to override, and `ContractBasis` for what else may be."""
