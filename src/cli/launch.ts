#!/usr/bin/env node
/**
 * nodectl's start: runs the bundle beside it, with the compiled code of an earlier start if that was kept for exactly this
 * bundle and this Node.js. Itself built to a script (scripts/build). Compiling anew takes a good part of a command's time.
 */
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script, constants } from 'node:vm';

const file = join(__dirname, 'nodectl.cjs');
const kept = join(__dirname, 'nodectl.code');
const source = readFileSync(file, 'utf8');
// V8 itself compares its version, its flags and the length of the source; the rest of the source is compared by its digest.
const digest = createHash('sha256').update(source).digest();

function keptCode(): Buffer | undefined {
  try {
    const whole = readFileSync(kept);
    return whole.subarray(0, digest.length).equals(digest) ? whole.subarray(digest.length) : undefined;
  } catch {
    return undefined; // none was kept
  }
}

const code = keptCode();
const script = new Script(`(function (exports, require, module, __filename, __dirname) {${source}\n})`, {
  filename: file,
  ...(code === undefined ? {} : { cachedData: code }),
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
});
// scripts/build and the package's installation: keeps what this start compiles.
if (process.env['NODEKEEPER_KEEP_CODE'] === '1')
  process.on('exit', () => {
    // Beside and renamed: another start never reads half of it.
    writeFileSync(`${kept}.${process.pid}`, Buffer.concat([digest, script.createCachedData()]));
    renameSync(`${kept}.${process.pid}`, kept);
  });
const bundle = script.runInThisContext() as (...args: unknown[]) => void;
bundle({}, require, { exports: {} }, file, __dirname);
