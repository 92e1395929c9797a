import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nearestMatch } from '../src/nearest-match.ts';
import { shellWord } from './shell-word.ts';

const FOLDER = fileURLToPath(new URL('../../../weights', import.meta.url));
const ENDING = '.safetensors';
/** Classifiers lie beside the models, under names of their own. */
const CLASSIFIER = 'classifier-';

/** Names of the weights that come with the project: "mnist-tiny" for weights/mnist-tiny.safetensors. */
export function shippedWeights(): string[] {
  return weightFiles().filter((name) => !name.startsWith(CLASSIFIER));
}

/** Datasets that a classifier comes with the project for. */
function shippedClassifiers(): string[] {
  const names = weightFiles().filter((name) => name.startsWith(CLASSIFIER));
  return names.map((name) => name.slice(CLASSIFIER.length));
}

function weightFiles(): string[] {
  if (!existsSync(FOLDER)) return [];
  const files = readdirSync(FOLDER).filter((file) => file.endsWith(ENDING));
  return files.map((file) => basename(file, ENDING)).sort();
}

/**
 * @param file a classifier's file; without it, the one that comes with the project for the dataset `data`
 * @throws Error that says how to make one, when none comes with the project
 */
export function resolveClassifier(file: string | undefined, data: string): string {
  if (file !== undefined) return file;
  if (shippedClassifiers().includes(data)) return join(FOLDER, CLASSIFIER + data + ENDING);
  throw new Error(
    `no classifier comes with the project for "${data}"${listed('; there are some for', shippedClassifiers())}: make one with \`farmer classifier train --data ${shellWord(data)} --out FILE\` and give --classifier FILE`,
  );
}

/**
 * @param name a file's path, or the name of shipped weights, which a folder of that name does not hide
 * @throws Error that lists the names there are, for one that is neither; that says how to name each, for one that is both
 */
export function weightsFile(name: string): string {
  if (/[/\\]/.test(name) || name.endsWith(ENDING)) return name;
  const shipped = shippedFile(name);
  const isHere = existsSync(name);
  if (shipped === undefined) {
    if (isHere) return name;
    throw unknownWeights(name);
  }
  if (isHere && !statSync(name).isDirectory()) {
    throw new Error(
      `"${name}" is both a file here and shipped weights: give ./${name} or ${shellWord(shipped)}`,
    );
  }
  return shipped;
}

function unknownWeights(name: string): Error {
  const names = shippedWeights();
  const near = nearestMatch(name, names);
  return new Error(
    `"${name}" is neither a file nor shipped weights${near ? `; did you mean "${near}"?` : ''}${listed('; there are', names)}`,
  );
}

/** "tiny" finds mnist-tiny: the dataset may be left out. */
function shippedFile(name: string): string | undefined {
  const names = shippedWeights();
  const found = [name, `mnist-${name}`].find((candidate) => names.includes(candidate));
  return found && join(FOLDER, found + ENDING);
}

/** "TEXT: a, b", or nothing where there are no names. */
export function listed(text: string, names: readonly string[]): string {
  return names.length > 0 ? `${text}: ${names.join(', ')}` : '';
}
