import type { Work } from './workloads.ts';

/** Some work of one library, ready to run. */
export interface Task {
  /** Does the work once, and resolves when it is done. */
  run(): Promise<void>;
  /**
   * Does the work and reads back its results, in the order that all libraries share; for training, the state after
   * two steps. To be called once, first. Absent for a yardstick that computes nothing.
   */
  results?(): Promise<Float32Array[]>;
  dispose(): void;
}

export interface Library {
  readonly name: string;
  /** How it computes: threads, adapter. */
  readonly setting: string;
  /** undefined where the library cannot express the work. */
  prepare(work: Work): Task | undefined;
  close?(): Promise<void> | void;
}
