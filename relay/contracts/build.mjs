// node build.mjs          compiles Lens.sol into Lens.json and TickScan.json
// node build.mjs --check  recompiles and compares with the committed ones
//
// Needs the test kit installed: `npm ci --ignore-scripts` in testkit/.

import { fileURLToPath } from "node:url";
import { build } from "../../testkit/compile.mjs";

const outputs = { Lens: "Lens.sol", TickScan: "Lens.sol" };
build(fileURLToPath(new URL(".", import.meta.url)), outputs, process.argv.includes("--check"));
