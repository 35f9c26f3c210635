// node agents.js PACKAGE...: of the package.json in this folder leave these, with or without their version. The lock
// beside it names every file that they need by its hash; what it doesn't name is refused.
const fs = require("fs");

const known = JSON.parse(fs.readFileSync("package.json"));
const dependencies = {};
for (const asked of process.argv.slice(2)) {
  const [, name, version] = /^(@?[^@]+)@?(.*)$/.exec(asked);
  const locked = known.dependencies[name];
  if (!locked || (version && version !== locked)) {
    const all = Object.entries(known.dependencies).map(([name, version]) => `${name}@${version}`);
    console.error(`AGENTS: ${asked} is none of ${all.join(", ")}: see docs/docker.md`);
    process.exit(2);
  }
  dependencies[name] = locked;
}
fs.writeFileSync("package.json", JSON.stringify({ ...known, dependencies, optionalDependencies: {} }, null, 2));
