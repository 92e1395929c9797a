import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readStudent } from '../../packages/farmer/cli/student-checkpoint.ts';
import { runCli, runCliWell, startCli } from '../support/cli.ts';

const STEPS = 60;
const cpu = ['--device', 'cpu'];
const small = ['patch=7', 'flow.blocks=2', 'flow.width=16', 'flow.heads=2', 'ar.layers=1']
  .concat(['ar.width=16', 'ar.heads=2'])
  .flatMap((part) => ['--set', `model.${part}`])
  .concat(['--set', 'training.batch=8', '--train-images', '500', '--steps', '30'])
  .concat(['--sample-steps', '0']);

let folder: string;
const path = (name: string) => join(folder, name);
const student = (name: string) => join(folder, name, 'checkpoint.safetensors');
const distil = (name: string) => [
  ...['distill', ...cpu, '--run', path('teacher'), '--run-out', path(name)],
  ...['--steps', String(STEPS), '--log-steps', '20', '--compare-images', '4'],
];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'farmer-distill-'));
  await runCliWell('train', ...cpu, ...small, '--run', path('teacher'));
  await runCliWell('train', ...cpu, ...small, '--run', path('other'), '--seed', '1');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('distillation by the command line', () => {
  it('leaves a student, a falling loss and a report; the teacher file stays', async () => {
    const teacher = await readFile(student('teacher'));
    const { stdout } = await runCliWell(...distil('whole'), '--json');
    const report = JSON.parse(stdout) as {
      reverse: { images: number; speedup: number; teacher: Errors; student: Errors };
      teacher: { hashBefore: string; hashAfter: string };
    };
    type Errors = { largestError: number; meanSquaredError: number };
    expect(report).toMatchObject({ command: 'distill', step: STEPS, steps: STEPS });
    expect(report.teacher.hashAfter).toBe(report.teacher.hashBefore);
    expect(report.reverse.images).toBe(4);
    expect(report.reverse.speedup).toBeGreaterThan(0);
    expect(report.reverse.teacher.largestError).toBeLessThan(1e-4);
    expect(report.reverse.student.meanSquaredError).toBeGreaterThan(0);
    expect(await readFile(student('teacher'))).toEqual(teacher);
    const rows = (await readFile(join(path('whole'), 'metrics.jsonl'), 'utf8')).trimEnd();
    const losses = rows.split('\n').map((row) => (JSON.parse(row) as { loss: number }).loss);
    expect(losses).toHaveLength(3);
    expect(losses[2]).toBeLessThan(losses[0]!);
  });

  it('goes on after SIGINT where it was saved, to the same bits', async () => {
    const started = startCli([...distil('parts'), '--checkpoint-steps', '1']);
    while (!existsSync(student('parts')) && started.process.exitCode === null) await delay(2);
    started.process.kill('SIGINT');
    const stopped = await started.result;
    expect(stopped.code, stopped.stderr).toBe(130);
    expect(stopped.stdout).toContain('go on with  farmer distill --run-out');
    const { step } = await readStudent(student('parts'));
    expect(step).toBeLessThan(STEPS);
    const resumed = await runCliWell('distill', ...cpu, '--run-out', path('parts'), '--resume');
    expect(resumed.stdout).toContain(`resuming    at step ${step} of ${STEPS}`);
    const [whole, parts] = await Promise.all([student('whole'), student('parts')].map(readStudent));
    expect(parts!.student).toEqual(whole!.student);
    expect(parts!.optimizer).toEqual(whole!.optimizer);
  });

  it('draws with the student of the model, and refuses that of another', async () => {
    const draw = (model: string, ...more: string[]) =>
      runCli('sample', ...cpu, '--run', path(model), '--count', '1', ...more);
    const [exact, quick] = [path('exact.png'), path('quick.png')];
    expect((await draw('teacher', '--out', exact)).code).toBe(0);
    expect((await draw('teacher', '--out', quick, '--student', student('whole'))).code).toBe(0);
    expect((await readFile(quick)).equals(await readFile(exact))).toBe(false);
    const refused = await draw('other', '--out', quick, '--student', student('whole'));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('is a student of other weights than these');
  });

  it('measures samples of model and student from the same latents', async () => {
    const { stdout } = await runCliWell(
      ...['metrics', ...cpu, '--json', '--run', path('teacher'), '--student', student('whole')],
      ...['--samples', '20', '--reference', '200'],
    );
    type Figures = Record<string, number>;
    const figures = JSON.parse(stdout) as { samples: Figures; student: Figures };
    expect(figures.student['frechetDistance']).toBeGreaterThan(0);
    expect(figures.student).not.toEqual(figures.samples);
    expect(Object.keys(figures.student)).toEqual(Object.keys(figures.samples));
  });

  it('refuses a folder with the student of another run', async () => {
    const other = await runCli(...distil('whole'), '--attention', 'causal');
    expect(other.code).toBe(1);
    expect(other.stderr).toContain('distillation.attention "bidirectional", not "causal"');
    const none = await runCli(...distil('none'), '--resume');
    expect(none.stderr).toContain('none has no checkpoint.safetensors to go on from');
  });
});
