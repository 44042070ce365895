// Both dictionaries have the same keys with the same `{names}`, every key that the console
// asks for is there, and none is there for nothing. The argument is the console's folder.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const root = process.argv[2];
const dictionary = async (name) => (await import(pathToFileURL(join(root, "text", name)))).default;
const [en, zh] = [await dictionary("en.js"), await dictionary("zh-CN.js")];
const problems = [];

const names = (text) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort().join();
for (const key of new Set([...Object.keys(en), ...Object.keys(zh)])) {
  if (!en[key]?.trim() || !zh[key]?.trim()) problems.push(`${key}: not in both languages`);
  else if (names(en[key]) !== names(zh[key])) problems.push(`${key}: other {names}`);
}

function sources(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "vendor" ? [] : sources(path);
    return entry.name.endsWith(".js") && !/text\/(en|zh-CN)\.js$/.test(path) ? [readFileSync(path, "utf8")] : [];
  });
}

const code = sources(root).join("\n");
// What stands in quotes and looks like a key, and what begins one in a template.
const quoted = new Set([...code.matchAll(/"([a-z0-9]+(?:[._][a-z0-9]+)*)"/g)].map(([, key]) => key));
const starts = [...code.matchAll(/`([a-z]+\.)\$\{/g)].map(([, start]) => start);
for (const [, key] of code.matchAll(/\bt\("([^"]+)"/g)) {
  if (!(key in en)) problems.push(`${key}: asked for and in no dictionary`);
}
for (const key of Object.keys(en)) {
  if (!quoted.has(key) && !starts.some((start) => key.startsWith(start)) && !/\.title$/.test(key)) {
    problems.push(`${key}: asked for by nobody`);
  }
}

console.log(`${Object.keys(en).length} texts in two languages`);
if (problems.length) {
  console.error(problems.join("\n"));
  process.exit(1);
}
