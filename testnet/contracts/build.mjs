// node build.mjs          compiles the test contracts into their .json artifacts
// node build.mjs --check  recompiles and compares with the committed ones
//
// Needs the test kit installed: `npm ci --ignore-scripts` in testkit/.

import { fileURLToPath } from "node:url";
import { build } from "../../testkit/compile.mjs";

const outputs = {
  HostileFactory: "Hostile.sol",
  HostilePair: "Hostile.sol",
  HostileToken: "Hostile.sol",
  LiquidityProvider: "LiquidityProvider.sol",
  TestToken: "TestToken.sol",
  Trader: "Trader.sol",
};
build(fileURLToPath(new URL(".", import.meta.url)), outputs, process.argv.includes("--check"));
