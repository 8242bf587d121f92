// node build.mjs          compiles Executor.sol into Executor.json
// node build.mjs --check  recompiles and compares with the committed Executor.json
//
// Needs the test kit installed: `npm ci --ignore-scripts` in testkit/.

import { fileURLToPath } from "node:url";
import { build } from "../../testkit/compile.mjs";

build(fileURLToPath(new URL(".", import.meta.url)), { Executor: "Executor.sol" }, process.argv.includes("--check"));
