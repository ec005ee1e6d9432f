'use strict';

const { WorkloadModuleBase } = require('@hyperledger/caliper-core');

/** depositChecking(customer, 130), customers in turn; each worker takes its own share of them. */
class DepositWorkload extends WorkloadModuleBase {
    async initializeWorkloadModule(workerIndex, totalWorkers, roundIndex, roundArguments, sutAdapter, sutContext) {
        await super.initializeWorkloadModule(
            workerIndex, totalWorkers, roundIndex, roundArguments, sutAdapter, sutContext);
        this.customer = workerIndex;
    }

    async submitTransaction() {
        const customer = this.customer;
        this.customer = (customer + this.totalWorkers) % this.roundArguments.customers;
        await this.sutAdapter.sendRequests({
            contract: 'bank', verb: 'depositChecking', args: [customer, 130], readOnly: false,
        });
    }
}

module.exports.createWorkloadModule = () => new DepositWorkload();
