// Compiles workloads/*/evm/*.sol into the committed artefact contract.json beside each source, byte for byte the same
// on every machine. `--out DIR` writes the artefacts below DIR instead, for comparison. The compiler is installed by
// npm, by package name, into a cache outside the checkout.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync, existsSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, "..", "..");
const pinned = JSON.parse(readFileSync(join(here, "package.json"), "utf8")).dependencies.solc;
const settings = {
  optimizer: { enabled: true, runs: 200 },
  evmVersion: "paris",
  metadata: { bytecodeHash: "none", appendCBOR: false },
};

function loadCompiler() {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "ledger-bench", `solc-${pinned}`);
  const installed = join(cache, "node_modules", "solc", "package.json");
  if (!existsSync(installed) || JSON.parse(readFileSync(installed, "utf8")).version !== pinned) {
    mkdirSync(cache, { recursive: true });
    copyFileSync(join(here, "package.json"), join(cache, "package.json"));
    execFileSync("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", cache], {
      stdio: ["ignore", "ignore", "inherit"],
    });
  }
  return createRequire(join(cache, "package.json"))("solc");
}

function sources() {
  const workloads = join(root, "workloads");
  return readdirSync(workloads, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(workloads, entry.name, "evm")))
    .flatMap((entry) => readdirSync(join(workloads, entry.name, "evm")).map((file) => join(workloads, entry.name, "evm", file)))
    .filter((file) => file.endsWith(".sol"))
    .sort();
}

function compile(solc, file) {
  const name = basename(file);
  const input = {
    language: "Solidity",
    sources: { [name]: { content: readFileSync(file, "utf8") } },
    settings: { ...settings, outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } } },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  const problems = (output.errors || []).map((problem) => problem.formattedMessage);
  if (problems.length > 0) throw new Error(`${name}:\n${problems.join("\n")}`);
  const contract = basename(file, ".sol");
  const { abi, evm } = output.contracts[name][contract];
  return { contract, source: name, compiler: solc.version(), settings, abi, bytecode: `0x${evm.bytecode.object}` };
}

const option = process.argv.indexOf("--out");
const target = option < 0 ? root : resolve(process.argv[option + 1]);
const solc = loadCompiler();
for (const file of sources()) {
  const artefact = join(target, relative(root, dirname(file)), "contract.json");
  mkdirSync(dirname(artefact), { recursive: true });
  writeFileSync(artefact, `${JSON.stringify(compile(solc, file), null, 1)}\n`);
  process.stdout.write(`${relative(target, artefact)}\n`);
}
