// Compiles Solidity reproducibly with the kit's own compiler.
//
// `build(folder, outputs, isCheck)` compiles every .sol file of `folder` and writes one JSON artifact per output, or, to check,
// compares it with the committed one. Source paths are relative and no metadata hash is appended, so the bytes depend on
// nothing but the sources, the compiler's version and the settings below.

import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const solc = createRequire(import.meta.url)("solc");

// Called far more often than deployed. Measured over 28 shapes of route: 0.7 % less gas than 200 runs, and 1.9 % less than
// the same without viaIR.
const OPTIMIZER_RUNS = 1_000_000;

const settings = {
  evmVersion: "cancun", // transient storage
  optimizer: { enabled: true, runs: OPTIMIZER_RUNS },
  viaIR: true,
  metadata: { appendCBOR: false, bytecodeHash: "none" },
};

function compile(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith(".sol")).sort();
  const sources = Object.fromEntries(names.map((name) => [name, { content: readFileSync(join(folder, name), "utf8") }]));
  const selection = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"];
  const input = { language: "Solidity", sources, settings: { ...settings, outputSelection: { "*": { "*": selection } } } };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  for (const problem of output.errors ?? []) console.error(problem.formattedMessage);
  if ((output.errors ?? []).length > 0) throw new Error("the compiler must have nothing to say, warnings included");
  return output.contracts;
}

function artifact(contracts, file, contract) {
  const { abi, evm } = contracts[file][contract];
  const record = {
    contract,
    source: file,
    compiler: solc.version(),
    settings,
    abi,
    bytecode: `0x${evm.bytecode.object}`,
    deployedBytecode: `0x${evm.deployedBytecode.object}`,
  };
  return `${JSON.stringify(record, null, 1)}\n`;
}

export function build(folder, outputs, isCheck) {
  const contracts = compile(folder);
  for (const [name, file] of Object.entries(outputs)) {
    const path = join(folder, `${name}.json`);
    const text = artifact(contracts, file, name);
    if (!isCheck) {
      writeFileSync(path, text);
      console.log(`${name}.json: ${(JSON.parse(text).deployedBytecode.length - 2) / 2} bytes of code`);
    } else if (readFileSync(path, "utf8") !== text) {
      console.error(`${name}.json is not what ${file} compiles to: run build.mjs and commit the result`);
      process.exitCode = 1;
    } else {
      console.log(`${name}.json: reproduced`);
    }
  }
}
