import { fasterAdapterAdvice } from './advice.ts';
import type { AdapterKind } from './advice.ts';
import { listAdapters, queryAdapter } from './dawn.ts';
import { explainMissingLavapipe, hardwareSigns } from './system-drivers.ts';
import type { Rejection } from './system-drivers.ts';
import { unpackSwiftShader } from './swiftshader.ts';
import { loadVulkanLoader } from './vulkan-loader.ts';

export interface OpenAdapterOptions {
  /**
   * `auto`, `hardware`, `lavapipe`, `swiftshader`, or part of an adapter's name. Without it the
   * environment variable FARMER_ADAPTER counts, and without that `auto`.
   */
  readonly choice?: string;
  /**
   * Keep Dawn's bounds checks and zeroed workgroup memory in shaders: slower, for hunting a kernel
   * that strays or reads what it never wrote.
   */
  readonly robustness?: boolean;
}

export interface OpenAdapter {
  readonly adapter: GPUAdapter;
  /** What to call it, as in `llvmpipe: Mesa 25.0.7 (LLVM 15.0.6)` or `nvidia-h100, NVIDIA: 580.159.04`. */
  readonly name: string;
  readonly kind: AdapterKind;
  /** Vendor, architecture and where the driver came from. */
  readonly driver: string;
  /** What was asked for, and who asked: `auto`, `FARMER_ADAPTER=lavapipe`, … */
  readonly chosenBy: string;
  /** What was tried first, and why it is not used. */
  readonly rejected: readonly Rejection[];
  /** The command that would give a faster adapter on this system. */
  readonly advice?: string;
}

/** No adapter fits: says what was tried, what exists, and the command that helps. */
export class NoAdapterError extends Error {
  readonly rejected: readonly Rejection[];
  readonly advice: string | undefined;

  constructor(message: string, rejected: readonly Rejection[], advice?: string) {
    super(message);
    this.name = 'NoAdapterError';
    this.rejected = rejected;
    this.advice = advice;
  }
}

/** An adapter's kind, from what its driver says of itself. */
function adapterKind(info: GPUAdapterInfo): AdapterKind {
  const text = `${info.architecture} ${info.device} ${info.description}`;
  if (/swiftshader/i.test(text)) return 'swiftshader';
  if (/llvmpipe|lavapipe/i.test(text)) return 'lavapipe';
  return info.isFallbackAdapter ? 'other' : 'hardware';
}

/** A card's driver describes itself alone, and serves many cards. */
export function adapterName(info: GPUAdapterInfo): string {
  const card = adapterKind(info) === 'hardware' ? info.device : '';
  return [card, info.description].filter(Boolean).join(', ') || info.device;
}

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** One search for an adapter: what to look for, and what was turned down so far. */
interface Search {
  readonly choice: string;
  readonly chosenBy: string;
  readonly robustness: boolean;
  readonly rejected: Rejection[];
}

async function query(
  search: Search,
  from: string,
  name?: string,
  driverFile?: string,
): Promise<OpenAdapter | undefined> {
  const { robustness, chosenBy, rejected } = search;
  const { adapter } = await queryAdapter({ name, driverFile, robustness });
  if (adapter === undefined) return undefined;
  const { info } = adapter;
  const kind = adapterKind(info);
  return {
    ...{ adapter, name: adapterName(info), kind, chosenBy, rejected },
    driver: `${[info.vendor, info.architecture].filter(Boolean).join(' ')}, ${from}`,
    advice: fasterAdapterAdvice(kind),
  };
}

const SYSTEM = "the system's driver";

/** Whether the system can have drivers at all: elsewhere than on Linux, Dawn brings its own. */
function hasSystemLoader(search: Search): boolean {
  const reason = process.platform === 'linux' ? loadVulkanLoader() : undefined;
  if (reason !== undefined)
    search.rejected.push({ what: "the system's Vulkan loader", why: reason });
  return reason === undefined;
}

/** `first` is what Dawn offers unasked: hardware before software, as it sorts them. */
async function findHardware(
  search: Search,
  first: OpenAdapter | undefined,
): Promise<OpenAdapter | undefined> {
  if (first?.kind === 'hardware') return first;
  // To be sure of the order, look through the list where a card should be there.
  if (process.platform === 'linux' && hardwareSigns().length === 0) {
    search.rejected.push({ what: 'hardware', why: 'this machine shows no graphics card' });
    return undefined;
  }
  for (const name of await listAdapters()) {
    if (/llvmpipe|swiftshader/i.test(name)) continue;
    const opened = await query(search, SYSTEM, name);
    if (opened?.kind === 'hardware') return opened;
  }
  search.rejected.push({ what: 'hardware', why: 'no driver offers a graphics card' });
  return undefined;
}

async function openFirst(search: Search): Promise<OpenAdapter | undefined> {
  if (hasSystemLoader(search)) {
    const first = await query(search, SYSTEM);
    const hardware = await findHardware(search, first);
    if (hardware !== undefined) return hardware;
    if (first?.kind === 'lavapipe') return first;
    const lavapipe = await openLavapipe(search);
    if (lavapipe !== undefined) return lavapipe;
  }
  return openCarriedSwiftShader(search);
}

async function openLavapipe(search: Search): Promise<OpenAdapter | undefined> {
  const opened = await query(search, SYSTEM, 'llvmpipe');
  if (opened !== undefined) return opened;
  const why = 'not installed on this system';
  search.rejected.push((await explainMissingLavapipe()) ?? { what: 'lavapipe', why });
  return undefined;
}

async function openCarriedSwiftShader(search: Search): Promise<OpenAdapter | undefined> {
  const reject = (why: string) => {
    search.rejected.push({ what: 'SwiftShader from npm', why });
    return undefined;
  };
  try {
    const { loader, driverFile } = unpackSwiftShader();
    const reason = loadVulkanLoader() === undefined ? undefined : loadVulkanLoader(loader);
    if (reason !== undefined) return reject(reason);
    const opened = await query(search, 'from npm', 'SwiftShader', driverFile);
    return opened ?? reject(`Dawn accepted no device of ${driverFile}`);
  } catch (error) {
    return reject(reasonOf(error));
  }
}

/** What Dawn calls the carried SwiftShader, for matching and for lists. */
const CARRIED_NAME = 'SwiftShader Device (Subzero)';

async function openNamed(search: Search): Promise<OpenAdapter | undefined> {
  const wanted = search.choice.toLowerCase();
  const names = hasSystemLoader(search) ? await listAdapters() : [];
  const name = names.find((candidate) => candidate.toLowerCase().includes(wanted));
  if (name !== undefined) return query(search, SYSTEM, name);
  const carried = CARRIED_NAME.toLowerCase().includes(wanted);
  const opened = carried ? await openCarriedSwiftShader(search) : undefined;
  if (opened !== undefined) return opened;
  const existing = [...new Set([...names, CARRIED_NAME])].map((entry) => `'${entry}'`).join(', ');
  throw new NoAdapterError(
    `${search.chosenBy} names no adapter of this machine, which has ${existing}: ` +
      'choose auto, hardware, lavapipe, swiftshader or part of one of these names.',
    search.rejected,
  );
}

async function openChosen(search: Search): Promise<OpenAdapter | undefined> {
  switch (search.choice) {
    case 'auto':
      return openFirst(search);
    case 'hardware':
      if (!hasSystemLoader(search)) return undefined;
      return findHardware(search, await query(search, SYSTEM));
    case 'lavapipe':
      return hasSystemLoader(search) ? openLavapipe(search) : undefined;
    case 'swiftshader':
      return openCarriedSwiftShader(search);
    default:
      return openNamed(search);
  }
}

/**
 * Finds a WebGPU adapter: the caller's or the environment's choice, else hardware, lavapipe
 * (Mesa's software driver), and last SwiftShader, which npm has installed with this project, so
 * that a Linux x64 machine without any Vulkan driver computes too. Never Dawn's null backend.
 *
 * To be called on the main thread: a worker's environment does not reach the Vulkan loader.
 *
 * @throws NoAdapterError with what was tried and the command that fixes it.
 */
export async function openAdapter(options: OpenAdapterOptions = {}): Promise<OpenAdapter> {
  const fromEnvironment = process.env['FARMER_ADAPTER'];
  const choice = (options.choice ?? fromEnvironment)?.trim() || 'auto';
  const asked = options.choice === undefined ? 'FARMER_ADAPTER=' : 'adapter ';
  const chosenBy = choice === 'auto' ? 'auto' : `${asked}${choice}`;
  const { robustness = false } = options;
  const search: Search = { choice, chosenBy, robustness, rejected: [] };
  const opened = await openChosen(search);
  if (opened !== undefined) return opened;
  const softwareHelps = choice !== 'hardware' || hardwareSigns().length > 0;
  const advice = softwareHelps ? fasterAdapterAdvice(undefined) : 'export FARMER_ADAPTER=auto';
  const tried = search.rejected.map(({ what, why }) => `\n  ${what}: ${why}`).join('');
  const fix = advice === undefined ? '' : `\nTo get one: ${advice}`;
  throw new NoAdapterError(
    `no WebGPU adapter could be opened (${chosenBy}). Tried:${tried}${fix}`,
    search.rejected,
    advice,
  );
}
