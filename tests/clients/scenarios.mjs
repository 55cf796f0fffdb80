// Runs one client's scenarios against the service and prints a JSON line for each; as scenarios.py.

import { readFileSync } from "node:fs";
import { isDeepStrictEqual, parseArgs } from "node:util";

export const given = JSON.parse(readFileSync(new URL("given.json", import.meta.url)));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: "string", default: "" } },
});
export const url = positionals[0];

// what ends a scenario's name, and the model it is given
export const CLEVER = given.providers.map((name) => [`via ${name}`, `${name}/clever`]);
export const ERRORS = Object.entries(given.failures).map(([name, [model]]) => [name, model]);
export const DEATHS = given.providers
  .flatMap((name) => given.deaths.map((how) => [`${how} via ${name}`, `${name}/${how}`]))
  .concat([["stall", "brisk/stall"]]);

/** The status with which the service refuses a model of ERRORS. */
export function meant(model) {
  return Object.values(given.failures).find(([found]) => found === model)[1];
}

export class Scenarios {
  #found = [];

  /** Keep a scenario; with `each` it runs once for each of its models. */
  add(name, ...rest) {
    const [each, run] = rest.length === 2 ? rest : [[["", undefined]], rest[0]];
    for (const [ending, model] of each) {
      this.#found.push({ name: `${name} ${ending}`.trim(), run, model });
    }
  }

  /** `shared`: what each scenario is given before its model. */
  async run(client, ...shared) {
    for (const { name, run, model } of this.#found.filter((s) => s.name.includes(values.only))) {
      let ok = true;
      let seen;
      try {
        seen = await Promise.race([run(...shared, model), tooLong()]);
      } catch (error) {
        [ok, seen] = [false, told(error)];
      }
      seen = typeof seen === "string" ? seen : JSON.stringify(seen);
      console.log(JSON.stringify({ client, scenario: name, ok, seen: `${seen}`.slice(0, 500) }));
    }
  }
}

function tooLong() {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error("no end within 20 s")), 20_000).unref();
  });
}

function told(error) {
  return `${error?.constructor?.name}: ${error?.message ?? error}`;
}

export function same(seen, expected) {
  if (!isDeepStrictEqual(seen, expected)) {
    throw new Error(`seen ${JSON.stringify(seen)}, expected ${JSON.stringify(expected)}`);
  }
  return seen;
}

export function holds(text, ...parts) {
  const missing = parts.filter((part) => !text?.includes(part));
  if (missing.length) {
    throw new Error(`seen ${JSON.stringify(text)}, expected to hold ${JSON.stringify(missing)}`);
  }
  return text;
}

/** All that a stream gave; one piece alone is no stream. */
export async function several(stream, least = 3) {
  const found = [];
  for await (const piece of stream) found.push(piece);
  if (found.length < least) {
    throw new Error(`only ${found.length} pieces: ${JSON.stringify(found)}`);
  }
  return found;
}

/** What a call raised: of that class, with these properties. */
export async function raises(asking, expected = {}, kind = Error) {
  let found;
  try {
    found = await asking();
  } catch (error) {
    if (!(error instanceof kind)) throw new Error(`${told(error)} is no ${kind.name}`);
    for (const [name, value] of Object.entries(expected)) {
      if (error[name] !== value) {
        throw new Error(`${told(error)} has ${name} ${error[name]}, not ${value}`);
      }
    }
    return told(error);
  }
  throw new Error(`nothing raised, but ${JSON.stringify(found)}`);
}

/** What a stream raised after it had begun; ending in silence is what must not be. */
export async function breaks(opening) {
  const seen = [];
  const raised = await raises(async () => {
    for await (const piece of await opening()) seen.push(piece);
  });
  if (!seen.length) throw new Error(`no piece came before ${raised}`);
  return `${seen.length} pieces, then ${raised}`;
}
