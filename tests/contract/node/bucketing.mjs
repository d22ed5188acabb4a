// Buckets by an independent implementation, for the vectors on standard input.
import { readFileSync } from "node:fs";
import murmur from "murmurhash";

const { vectors } = JSON.parse(readFileSync(0, "utf8"));
const buckets = vectors.map(
  ({ salt, unit, seed }) => murmur.v3(`${salt}:${unit}`, seed) % 10000,
);
console.log(JSON.stringify(buckets));
