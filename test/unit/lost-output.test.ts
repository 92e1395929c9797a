import { EventEmitter } from 'node:events';
import { expect, it, vi } from 'vitest';
import { exitCodeOf } from '../../packages/farmer/cli/exit.ts';
import { endOnLostOutput, onLostOutput } from '../../packages/farmer/cli/lost-output.ts';

it.each([
  ['a pipe whose reader has gone', 'EPIPE', false, exitCodeOf('SIGPIPE'), ''],
  ['a terminal that was closed', 'EIO', true, exitCodeOf('SIGHUP'), ''],
  ['a disk that fails', 'EIO', false, 1, 'error: cannot write the output: EIO\n'],
  ['a full disk', 'ENOSPC', false, 1, 'error: cannot write the output: ENOSPC\n'],
])('ends for %s, unless somebody listens', (_, code, isTTY, exitCode, message) => {
  const stream = Object.assign(new EventEmitter(), { isTTY });
  const [listener, end] = [vi.fn(), vi.fn()];
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  endOnLostOutput([stream], end);
  const fail = () => stream.emit('error', Object.assign(new Error(code), { code }));
  const forget = onLostOutput(listener);
  fail();
  expect([listener.mock.calls.length, end.mock.calls.length]).toEqual([1, 0]);
  expect(listener.mock.calls).toEqual([[exitCode]]);
  forget();
  stderr.mockClear();
  fail();
  const said = stderr.mock.calls.map(([text]) => text).join('');
  stderr.mockRestore();
  expect(listener).toHaveBeenCalledTimes(1);
  expect(end.mock.calls).toEqual([[exitCode]]);
  expect(said).toBe(message);
});
