'use strict';

// Prints the addresses that Caliper's ethereum connector derives from `fromAddressSeed` for its first workers.
// node accounts.js SEED COUNT

const hdkey = require('ethereumjs-wallet/hdkey');

const [seed, count] = process.argv.slice(2);
const root = hdkey.fromMasterSeed(seed);
for (let worker = 0; worker < Number(count); worker += 1) {
    console.log(root.derivePath(`m/44'/60'/${worker}'/0/0`).getWallet().getAddressString());
}
