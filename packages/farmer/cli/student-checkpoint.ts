import { createHash } from 'node:crypto';
import { SafetensorsError, type LoadedTensors, type StateDict } from '@farmer/nn';
import type { Farmer } from '../src/model.ts';
import { StudentFlow } from '../src/student-flow.ts';
import { readCheckpointFile, writeCheckpointFile } from './checkpoint-file.ts';
import { parseDistillationRun, type DistillationRun } from './distillation-run.ts';

const KIND = { format: 'farmer-student', groups: ['student', 'optimizer'] } as const;

/** What a student's checkpoint says of itself. */
export interface StudentInfo {
  readonly run: DistillationRun;
  readonly step: number;
  /** Of the images that it was distilled on. */
  readonly fingerprint: string;
  /** Hash of the teacher's weights: a student undoes this flow and no other. */
  readonly teacher: string;
}

export interface StudentCheckpoint extends StudentInfo {
  readonly path: string;
  readonly student: LoadedTensors;
  readonly optimizer: LoadedTensors;
}

/** Writes `student.*` and `optimizer.*` tensors; the path holds the old file or all of the new one. */
export async function writeStudent(
  path: string,
  { run, step, fingerprint, teacher }: StudentInfo,
  student: StateDict,
  optimizer: StateDict,
): Promise<void> {
  const metadata = { step: String(step), fingerprint, teacher, run: JSON.stringify(run) };
  await writeCheckpointFile(path, KIND, metadata, { student, optimizer });
}

/** @throws SafetensorsError or ConfigError naming the file and what in it does not fit */
export async function readStudent(path: string): Promise<StudentCheckpoint> {
  const { step, tensors, field, json } = await readCheckpointFile(path, KIND);
  return {
    ...{ path, step, ...tensors, fingerprint: field('fingerprint'), teacher: field('teacher') },
    run: parseDistillationRun(json('run'), `${path}: run`),
  };
}

/**
 * Loads the student of a model onto the default device.
 * @param teacher hash of the model's weights
 */
export async function loadStudent(
  path: string,
  model: Farmer,
  teacher: string,
): Promise<StudentFlow> {
  const checkpoint = await readStudent(path);
  checkTeacher(checkpoint, teacher);
  const { attention } = checkpoint.run.distillation;
  const student = new StudentFlow(model.flow, model.config, attention);
  student.loadStateDict(checkpoint.student, path);
  return student;
}

/** @throws SafetensorsError when a student was distilled from other weights */
export function checkTeacher({ path, run, teacher }: StudentCheckpoint, found: string): void {
  if (teacher === found) return;
  throw new SafetensorsError(
    `${path} is a student of other weights than these (it was distilled from ${run.teacher}, hash ${teacher}; these have ${found}): give the model that it was distilled from`,
  );
}

/** A hash of named weights, whatever their order. */
export function weightsHash(weights: LoadedTensors): string {
  const hash = createHash('sha256');
  for (const [name, { data }] of [...weights].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${name}\n`).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex').slice(0, 16);
}
