import type { Device, Shape } from '@farmer/tensor';
import { nearestMatch } from '../../packages/farmer/src/nearest-match.ts';
import { families } from './families.ts';
import type { Family } from './family.ts';

/** What is measured, as the command line names it. */
export interface Choice {
  readonly op?: string;
  readonly variant?: string;
  readonly shape?: string;
}

/** A family with the shapes to measure. */
export interface Case {
  readonly family: Family;
  readonly shapes: readonly Shape[];
}

/** @throws Error that names the nearest op, or an example of a shape, for one that does not exist */
export function chooseCases({ op, variant, shape }: Choice): Case[] {
  if (op === undefined) {
    if (shape !== undefined) throw new Error('--shape needs --op, which says what it means');
    if (variant !== undefined) throw new Error('--variant needs --op, whose variant it names');
    return families.map((family) => ({ family, shapes: family.shapes }));
  }
  const family = families.find(({ name }) => name === op);
  if (!family) throw unknown('op', op, namesOf(families));
  return [{ family, shapes: shape === undefined ? family.shapes : [parseShape(family, shape)] }];
}

/** @throws Error that names the nearest variant when the device has none that `text` names */
export function checkVariant(text: string, { family, shapes }: Case, device: Device): void {
  const existing = namesOf(family.work(shapes[0]!, device).variants);
  if (existing.some((name) => isVariant(name, text))) return;
  throw unknown(`variant of ${family.name} on ${device.name}`, text, existing);
}

/** Whether `text` names the variant: its number, its name, or a beginning of it. */
export const isVariant = (name: string, text: string): boolean =>
  name === text || name.startsWith(`${text}-`);

function parseShape({ name, axes, shapes }: Family, text: string): Shape {
  const shape = text.split(',').map((part) => (part.trim() === '' ? NaN : Number(part)));
  const isWhole = shape.every((length) => Number.isInteger(length) && length > 0);
  if (!isWhole || shape.length !== axes.length) {
    throw new Error(
      `--shape ${text}: ${name} wants ${axes.length} whole numbers from 1 up, ${axes.join(',')}, such as ${nearestMatch(text, shapes.map(String)) ?? shapes[0]!.join(',')}`,
    );
  }
  return shape;
}

/** Names may be meant with or without the number that they begin with. */
function unknown(what: string, given: string, existing: readonly string[]): Error {
  const near = nearestMatch(
    given,
    existing.flatMap((name) => [name, name.replace(/^\d+-/, '')]),
  );
  const meant = existing.find((name) => near !== undefined && name.endsWith(near));
  const hint = meant === undefined ? '' : `; did you mean "${meant}"?`;
  return new Error(`unknown ${what}: "${given}"${hint} (there are ${existing.join(', ')})`);
}

const namesOf = (all: readonly { readonly name: string }[]): string[] =>
  all.map(({ name }) => name);
